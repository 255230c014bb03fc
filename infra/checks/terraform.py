"""Holds a Terraform module to the schema of its provider, without the provider.

The npm package `@cdktf/provider-google` is generated from the schema of the provider: which arguments and
blocks a resource has, which are required, and how they nest. Arguments that the schema doesn't know, required
ones that are missing, and references to what the module doesn't declare are errors.

What this cannot know: types and values of expressions, and what only Google's API checks. `terraform validate`
and `plan` know, and want the provider.

    python3 infra/checks/terraform.py PACKAGE.tgz FOLDER
"""

import pathlib
import re
import sys
import tarfile

import hcl2

# Arguments of every resource.
META = {"depends_on", "count", "for_each", "provider", "lifecycle", "provisioner", "connection"}

INTERFACE = re.compile(r"export interface (\w+)(?: extends [\w.]+)? \{(.*?)\n\}", re.S)
FIELD = re.compile(r"/docs/[\w-]+/\w+#(\w+) .*?\n\s*readonly (\w+)(\??): ([^;]+);", re.S)


class Schema:
    """The interfaces of a package: name -> {argument: (is it optional, interface of its block)}."""

    def __init__(self, archive: str):
        self.files: dict[str, str] = {}
        with tarfile.open(archive) as package:
            for member in package:
                if member.name.endswith(".d.ts"):
                    self.files[member.name] = package.extractfile(member).read().decode()
        self.version = re.search(r"hashicorp/google/([\d.]+)/", self.files["package/lib/container-cluster/index.d.ts"])[1]

    def of(self, folder: str) -> dict[str, dict]:
        prefix = f"package/lib/{folder}/"
        text = "".join(text for name, text in self.files.items() if name.startswith(prefix))
        return {name: self.fields(body) for name, body in INTERFACE.findall(text)}

    @staticmethod
    def fields(body: str) -> dict[str, tuple[bool, str | None]]:
        fields = {}
        for argument, _, optional, kind in FIELD.findall(body):
            block = re.match(r"([A-Z]\w+)", kind)
            fields[argument] = (optional == "?", block[1] if block else None)
        return fields


class Module:
    """The files of a folder, and what is wrong with them."""

    def __init__(self, folder: pathlib.Path, schema: Schema):
        self.schema = schema
        self.problems: list[str] = []
        self.declared: set[str] = set()
        self.texts = {path: path.read_text() for path in sorted(folder.glob("*.tf"))}
        self.parsed = {path: hcl2.loads(text) for path, text in self.texts.items()}

    def check(self) -> int:
        count = 0
        for path, content in self.parsed.items():
            for kind, prefix in (("resource", ""), ("data", "data-google-")):
                for block in content.get(kind, []):
                    for type_, named in plain(block).items():
                        for name, body in plain(named).items():
                            count += 1
                            self.declared.add(f"{'data.' if kind == 'data' else ''}{type_}.{name}")
                            self.resource(f"{path.name}: {kind} {type_}.{name}", type_, prefix, body)
            self.declared |= {f"var.{name}" for block in content.get("variable", []) for name in plain(block)}
            self.declared |= {f"local.{name}" for block in content.get("locals", []) for name in plain(block)}
        self.references()
        return count

    def resource(self, where: str, type_: str, prefix: str, body: dict) -> None:
        folder = prefix + type_.removeprefix("google_").replace("_", "-")
        interfaces = self.schema.of(folder)
        config = next((fields for name, fields in interfaces.items() if name.endswith("Config") and is_root(name, folder)), None)
        if config is None:
            self.problems.append(f"{where}: the provider has no such resource ({folder})")
        else:
            self.block(where, body, config, interfaces, META)

    def block(self, where: str, body: dict, fields: dict, interfaces: dict, also: set[str] = frozenset()) -> None:
        body = plain(body)
        given = set(body)
        for dynamic in body.pop("dynamic", []):
            for name, generator in plain(dynamic).items():
                body[name] = plain(generator)["content"]
                given |= {name}
        for name in sorted(given - {"dynamic"} - set(fields) - set(also)):
            self.problems.append(f"{where}: the schema knows no `{name}`")
        for name, (optional, _) in fields.items():
            if not optional and name not in given:
                self.problems.append(f"{where}: lacks `{name}`")
        for name, value in body.items():
            nested = fields.get(name, (True, None))[1]
            if nested in interfaces and isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, dict):
                        self.block(f"{where}.{name}[{index}]", item, interfaces[nested], interfaces)

    def references(self) -> None:
        pattern = re.compile(r"\b(var\.\w+|local\.\w+|(?:data\.)?google_\w+\.\w+)")
        used = set()
        for path, text in self.texts.items():
            for reference in pattern.findall(re.sub(r"#.*", "", text)):
                used.add(reference)
                if reference not in self.declared:
                    self.problems.append(f"{path.name}: `{reference}` is not declared")
        for name in sorted(self.declared - used):
            if name.startswith(("var.", "local.", "data.")):
                self.problems.append(f"`{name}` is declared and not used")


def is_root(name: str, folder: str) -> bool:
    """`ContainerClusterConfig` of `container-cluster`, and not `ContainerClusterNodeConfig`."""
    return name.lower() == folder.replace("-", "") + "config"


def plain(block: dict) -> dict:
    """Without the parser's own marks, and without the quotes around labels."""
    return {key.strip('"'): value for key, value in block.items() if not key.startswith("__")}


def main() -> None:
    archive, folder = sys.argv[1:]
    schema = Schema(archive)
    module = Module(pathlib.Path(folder), schema)
    count = module.check()
    if module.problems:
        sys.exit("\n".join(f"{folder}: {problem}" for problem in module.problems))
    print(f"{folder}: {count} resources and data sources fit the schema of the provider's version {schema.version}")


if __name__ == "__main__":
    main()
