"""Runs our agents and the peers in turns and prints the ratios.

    python3 -m venv venv && venv/bin/pip install -r trainer/benches/peers/requirements.txt
    venv/bin/python trainer/benches/peers/compare.py [ROUNDS]

Each round runs one program after the other, so that whatever else the machine does meets all of them;
the best round of each counts. One thread each, and CPU seconds of the process.
"""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SHAPES = [(256, 256), (64, 64)]
BENCH = ["cargo", "bench", "--quiet", "--locked", "-p", "carbon-kube-trainer", "--bench", "agents", "--"]
# Where the bench is built already, its path.
if "CARBON_KUBE_AGENTS_BENCH" in os.environ:
    BENCH = [os.environ["CARBON_KUBE_AGENTS_BENCH"]]


def measure(peer, width, batch):
    shape = [str(width), str(batch)]
    command = BENCH + ["speed"] + shape
    if peer != "ours":
        command = [sys.executable, str(HERE / "peers.py"), "speed", peer] + shape
    environment = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    result = json.loads(output.strip().splitlines()[-1])
    return result["updates_per_cpu_second"], result["loop_per_cpu_second"]


def main(rounds):
    peers = ["ours", "sb3", "sbx"]
    print("| networks, batch | what | ours | sb3 | sbx | ours / sb3 | ours / sbx |")
    print("|---|---|---|---|---|---|---|")
    for width, batch in SHAPES:
        best = {peer: (0.0, 0.0) for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                best[peer] = tuple(map(max, best[peer], measure(peer, width, batch)))
        for at, what in enumerate(["updates alone", "step and update"]):
            ours, sb3, sbx = (best[peer][at] for peer in peers)
            print(f"| {width} x {width}, {batch} | {what} | {ours:.0f} | {sb3:.0f} | {sbx:.0f} "
                  f"| {ours / sb3:.1f} | {ours / sbx:.2f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
