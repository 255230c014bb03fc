#!/usr/bin/env bash
# Instructions per call of the extender's answers, without HTTP: what a change costs, on a machine
# that is not quiet. The difference of two runs leaves out what happens once.
#
#   services/extender/benches/instructions.sh [PROFILE_FOLDER]
#
# With a folder, the profile of each longer run is kept there for `callgrind_annotate`.
set -euo pipefail
cd "$(dirname "$0")/../../.."

target="${CARGO_TARGET_DIR:-target}"
folder="${1:-}"
if [ -z "$folder" ]; then
    folder="$(mktemp -d)"
    trap 'rm -rf "$folder"' EXIT
fi
cargo build --quiet --release --locked -p carbon-kube-extender --example instructions

instructions() { # profile arguments...
    local profile="$1"
    shift
    valgrind --tool=callgrind --callgrind-out-file="$profile" \
        "$target/release/examples/instructions" "$@" 2>&1 |
        awk '/Collected/ { print $4 }'
}

printf '%-14s %-6s %6s %22s\n' verb mode nodes 'instructions per call'
while read -r verb mode nodes few many policy; do
    base="$folder/$verb-$mode-$nodes"
    low="$(instructions "$base.few" "$verb" "$mode" "$nodes" "$few" --policy "$policy")"
    high="$(instructions "$base.profile" "$verb" "$mode" "$nodes" "$many" --policy "$policy")"
    rm -f "$base.few"
    printf '%-14s %-6s %6s %22s\n' "$verb" "$mode" "$nodes" \
        "$(((high - low) / (many - few)))"
done <<'RUNS'
filter names 1000 50 250 percentile
prioritize names 1000 50 250 lowest-zone
filter names 5000 10 50 percentile
filter full 1000 5 25 percentile
prioritize full 1000 5 25 lowest-zone
RUNS
