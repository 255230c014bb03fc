#!/usr/bin/env bash
# The extender under load: answer times, CPU and memory of one server thread, asked from the other
# core. Prints the figures of docs/performance.md; ends everything that it started.
#
#   SECONDS_EACH=10 REPEAT=3 LONG_SECONDS=60 services/extender/benches/load.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."

seconds="${SECONDS_EACH:-10}"
repeat="${REPEAT:-3}"
long_seconds="${LONG_SECONDS:-60}"
port="${PORT:-18443}"
probes="${PROBES_PORT:-18080}"
target="${CARGO_TARGET_DIR:-target}"

state="$(mktemp -d)"
lines="$state/lines"
server=""
finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$state"
}
trap finish EXIT
trap 'exit 130' INT TERM

cargo build --quiet --release --locked -p carbon-kube-extender --bins --example load \
    --example load_state
server_binary="${EXTENDER:-$target/release/carbon-kube-extender}"
# A thousand connections at both ends.
ulimit -n 8192

write_state() { # nodes policy
    "$target/release/examples/load_state" "$state/cluster" --nodes "$1" --policy "$2" \
        --port "$port" --telemetry-port "$probes"
    # The folder is looked at every second.
    sleep 2
}

start() {
    taskset -c 0 "$server_binary" --config "$state/cluster/config.yaml" &
    server=$!
    for _ in $(seq 100); do
        if curl --silent --fail --noproxy '*' --output /dev/null "http://127.0.0.1:$probes/readyz"; then
            return
        fi
        sleep 0.1
    done
    echo "the extender is not ready" >&2
    exit 1
}

cpu_ticks() { # user and system time; the command's name has no spaces
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

peak_kib() {
    awk '/^VmHWM/ { print $2 }' "/proc/$server/status"
}

field() { # name: its values, one a line
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$lines"
}

median() {
    sort -g | awk '{ value[NR] = $1 } END { printf "%.0f", value[int((NR + 1) / 2)] }'
}

spread() {
    sort -g | awk 'NR == 1 { low = $1 } { high = $1 } END { printf "%.0f-%.0f", low, high }'
}

format='%-34s %9s %8s %8s %15s %9s %7s %8s %9s %9s\n'
# shellcheck disable=SC2059
header() {
    printf "$format" run "P50 us" "P95 us" "P99 us" "P99 low-high" "max us" errors "per s" \
        "CPU us" "peak MiB"
}

measure() { # title repeat arguments of `load`...
    local title="$1" times="$2" before after ticks requests peak_before
    shift 2
    : >"$lines"
    # The peak of this run alone, where the kernel lets us; otherwise of all so far.
    echo 5 >"/proc/$server/clear_refs" 2>/dev/null || true
    peak_before="$(peak_kib)"
    before="$(cpu_ticks)"
    for _ in $(seq "$times"); do
        # Errors end in the table, not the script.
        taskset -c 1 "$target/release/examples/load" --url "http://127.0.0.1:$port/v1" \
            --warm-up "${WARM_UP:-1}" --json "$@" >>"$lines" || true
    done
    after="$(cpu_ticks)"
    ticks=$((after - before))
    # The server also answers what is not counted: the warm-up.
    requests="$(curl --silent --noproxy '*' "http://127.0.0.1:$probes/metrics" |
        awk '/^carbonkube_extender_requests_total/ { sum += $2 } END { print sum + 0 }')"
    local answered=$((requests - answered_before))
    answered_before="$requests"
    # shellcheck disable=SC2059
    printf "$format" "$title" "$(field p50Micros | median)" "$(field p95Micros | median)" \
        "$(field p99Micros | median)" "$(field p99Micros | spread)" "$(field maxMicros | median)" \
        "$(field errors | awk '{ sum += $1 } END { print sum + 0 }')" \
        "$(field requestsPerSecond | awk '{ sum += $1 } END { printf "%.0f", sum / NR }')" \
        "$(awk -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" -v n="$answered" \
            'BEGIN { printf "%.0f", n ? ticks / hz / n * 1e6 : 0 }')" \
        "$(awk -v from="$peak_before" -v to="$(peak_kib)" \
            'BEGIN { printf "%.1f>%.1f", from / 1024, to / 1024 }')"
    if [ -n "${KEEP_LINES:-}" ]; then
        sed "s/^{/{\"run\":\"$title\",/" "$lines" >>"$KEEP_LINES"
    fi
}

answered_before=0
grep -m1 'model name' /proc/cpuinfo || true
uptime
write_state 1000 percentile
start
header
measure "1,000 names, filter" "$repeat" --verb filter --seconds "$seconds"
write_state 1000 lowest-zone
measure "1,000 names, prioritize" "$repeat" --verb prioritize --seconds "$seconds"
write_state 5000 percentile
measure "5,000 names, filter" "$repeat" --verb filter --nodes 5000 --seconds "$seconds"
write_state 5000 lowest-zone
measure "5,000 names, prioritize" "$repeat" --verb prioritize --nodes 5000 --seconds "$seconds"
write_state 1000 percentile
measure "1,000 nodes, filter" "$repeat" --verb filter --mode full --seconds "$seconds"
write_state 1000 lowest-zone
measure "1,000 nodes, prioritize" "$repeat" --verb prioritize --mode full --seconds "$seconds"
write_state 1000 percentile
measure "1,000 names, 1,000 connections" 1 --verb filter --connections 1000 \
    --seconds "$long_seconds"
uptime
