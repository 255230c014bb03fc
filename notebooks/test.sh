#!/usr/bin/env bash
# Executes each notebook against a fresh run of the quickstart. The virtual environment lives in the
# cache folder, one per requirements.txt. Where there is no Python or no way to the packages, it says
# so and is no failure: `skipped: ...`.
#
#   CARBON_KUBE   the program; if not given, it is built
#   PICTURES      a folder for the last picture of each notebook
set -euo pipefail
cd "$(dirname "$0")"

skip() { echo "skipped: the notebooks need $1"; exit 0; }

command -v python3 > /dev/null || skip 'python3'
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || skip 'Python 3.11 or later'

if [ -z "${CARBON_KUBE:-}" ]; then
    (cd .. && cargo build --release --locked)
    CARBON_KUBE="$(cd .. && cargo metadata --format-version 1 --no-deps --locked |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/carbon-kube"
fi
export CARBON_KUBE

cache="${XDG_CACHE_HOME:-$HOME/.cache}/carbon-kube"
key="$(python3 -c 'import hashlib, sys
print(hashlib.sha256((sys.version + open("requirements.txt").read()).encode()).hexdigest()[:12])')"
venv="$cache/notebooks-$key"
# The mark is made last: an environment that was interrupted is made anew.
if [ ! -e "$venv/complete" ]; then
    mkdir -p "$cache"
    python3 -m venv --clear "$venv" || skip 'the Python module venv'
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt ||
        skip 'the packages of notebooks/requirements.txt, which pip could not get'
    touch "$venv/complete"
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export RUN_DIR="$work/quickstart" MPLCONFIGDIR="$work/matplotlib" IPYTHONDIR="$work/ipython"
"$CARBON_KUBE" sim run ../scenarios/quickstart.yaml --quiet --out "$RUN_DIR" > "$work/table"
"$venv/bin/python" execute.py ${PICTURES:+--pictures "$PICTURES"} ./*.ipynb
