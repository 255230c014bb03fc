"""Executes notebooks and holds that they are kept without outputs.

    execute.py [--pictures DIR] NOTEBOOK...

The notebooks find the program by CARBON_KUBE and a run by RUN_DIR. With --pictures, the last
picture of each is written to DIR. Exit status: 0 all ran, 1 one did not or has outputs.
"""

import argparse
import base64
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def stripped(notebook):
    """Whether a notebook has no outputs, no counts and no state of the one who ran it last."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return not any(cell.outputs or cell.execution_count for cell in cells)


def last_picture(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs
                if "image/png" in output.get("data", {})]
    return base64.b64decode(pictures[-1]) if pictures else None


def execute(path, pictures):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    if not stripped(notebook):
        return "it has outputs: clear them before it is kept"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    try:
        client.execute()
    except CellExecutionError as error:
        return f"a cell failed: {error}"
    picture = last_picture(notebook)
    if picture is None:
        return "it drew no picture"
    if pictures:
        (pictures / f"{path.stem}.png").write_bytes(picture)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("notebooks", type=Path, nargs="+", metavar="NOTEBOOK")
    args = parser.parse_args()
    failed = False
    for path in args.notebooks:
        problem = execute(path, args.pictures)
        print(f"{path.name}: {problem or 'ran'}", flush=True)
        failed |= problem is not None
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
