#!/usr/bin/env bash
# Runs the extender as its image does, where there is no container engine: the same static program, as the same
# user (65532), with a root that holds nothing else and can't be written, no capabilities, and a network of its own.
#
#   e2e/image.sh                    # builds the program, linked as in the Dockerfile, but not optimised
#   PROFILE=release e2e/image.sh    # builds it as the Dockerfile does
#   EXTENDER=FILE e2e/image.sh
#
# Proven: it is static, it starts and decides there, it finds the API server's name by DNS (a static glibc has
# its own resolver), and SIGTERM ends it in order. None of that depends on the optimiser, whose minutes are saved.
# Not proven: the Dockerfile's own steps, the base image and the build for arm64.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { echo "skipped: the image's program needs $1"; exit 0; }
fail() { echo "error: $1" >&2; exit 1; }

target=x86_64-unknown-linux-gnu
[ "$(uname -m)" = x86_64 ] || skip 'x86_64'
command -v bwrap >/dev/null || skip 'bubblewrap (apt-get install bubblewrap)'
command -v python3 >/dev/null || skip 'python3, for a name server and an API server'
for tool in curl pgrep readelf strip; do command -v "$tool" >/dev/null || skip "$tool"; done
bwrap --unshare-all --ro-bind / / true 2>/dev/null || skip 'namespaces, which this machine does not allow'

if [ -z "${EXTENDER:-}" ]; then
    # The flags are the Dockerfile's. A target of its own name keeps build scripts and macros out of it.
    profile="${PROFILE:-dev}"
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static' \
        cargo build --profile "$profile" --locked --target "$target" --package carbon-kube-extender
    # Cargo's own folder of the profile `dev`.
    EXTENDER="${CARGO_TARGET_DIR:-target}/$target/${profile/#dev/debug}/carbon-kube-extender"
fi
if readelf --program-headers "$EXTENDER" | grep -q INTERP; then fail "$EXTENDER is not static"; fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
root="$work/root"
mkdir -p "$root"/{usr/local/bin,etc/carbon-kube,etc/ssl/certs,proc,dev,state}
cp "$EXTENDER" "$root/usr/local/bin/carbon-kube-extender"
strip --strip-debug "$root/usr/local/bin/carbon-kube-extender"
echo "static, $(stat --format %s "$root/usr/local/bin/carbon-kube-extender" | numfmt --to=iec)B"
# The base image has authorities; a client of a kubeconfig without one of its own asks for them.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /usr/local/bin/carbon-kube-extender "$root/entrypoint"
echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >"$root/etc/passwd"
cat >"$root/etc/carbon-kube/folder.yaml" <<'CONFIG'
server: {listen: '127.0.0.1:8443', drain: 0s}
telemetry: {listen: '127.0.0.1:8080'}
source: {folder: /state}
CONFIG
echo '{"items": []}' >"$root/state/nodes.json"
cat >"$root/etc/carbon-kube/cluster.yaml" <<'CONFIG'
server: {listen: '127.0.0.1:8444', drain: 0s}
telemetry: {listen: '127.0.0.1:8081'}
CONFIG
cat >"$root/etc/carbon-kube/kubeconfig" <<'CONFIG'
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: 'http://kubernetes.default.svc.example:8001'}}]
users: [{name: u, user: {}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
CONFIG

# A name server that says 127.0.0.1 to every question for an address, and an API server that only listens.
cat >"$work/servers.py" <<'PYTHON'
import http.server, socket, sys, threading

def names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        question, kind = query[12:end], query[end - 4:end - 2]
        found = kind == b"\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if found else b""
        server.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([found]) + b"\0\0\0\0" + question + answer, client)

class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", self.headers["Host"], self.path, file=open(sys.argv[1], "a"), flush=True)
        self.send_error(503)
    def log_message(self, *_):
        pass

threading.Thread(target=names, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", 8001), Api).serve_forever()
PYTHON

cat >"$work/inside.sh" <<'INSIDE'
set -euo pipefail
work="$1" ask="$2"
until_true() { for _ in $(seq 100); do if "$@"; then return; fi; sleep 0.1; done; echo "not in time: $*" >&2; exit 1; }
as_in_a_pod() {
    exec bwrap --unshare-user --unshare-pid --unshare-ipc --uid 65532 --gid 65532 --cap-drop ALL \
        --ro-bind "$work/root" / --proc /proc --dev /dev --remount-ro / --die-with-parent --clearenv \
        --setenv KUBECONFIG /etc/carbon-kube/kubeconfig -- /entrypoint --config "/etc/carbon-kube/$1.yaml"
}
touch "$work/asked"
python3 "$work/servers.py" "$work/asked" & servers=$!
as_in_a_pod folder >"$work/folder.log" 2>&1 & folder=$!
as_in_a_pod cluster >"$work/cluster.log" 2>&1 & cluster=$!
trap 'kill "$servers" "$folder" "$cluster" 2>/dev/null || true' EXIT

ready() { curl --silent --fail --output /dev/null http://127.0.0.1:8080/readyz; }
until_true ready
EXTENDER=http://127.0.0.1:8443/v1 CA='' sh -eu "$ask"

program="$(pgrep --parent "$(pgrep --parent "$folder")")"
awk '{ print "user", $1 }' "/proc/$program/uid_map" | grep -x 'user 65532'
grep -E '^CapEff' "/proc/$program/status" | grep 0000000000000000
awk '$5 == "/" { print "root is mounted", $6 }' "/proc/$program/mountinfo" | grep -E '^root is mounted ro'

until_true grep -q 'kubernetes.default.svc.example:8001 /api' "$work/asked"
echo 'the API server was found by its name'

kill -TERM "$program"
wait "$folder" && echo 'SIGTERM: ended in order'
INSIDE
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
bwrap --unshare-user --unshare-net --uid 0 --gid 0 --cap-add ALL --dev-bind / / \
    bash "$work/inside.sh" "$work" charts/carbon-kube/files/ask.sh || {
    tail -n 20 "$work"/*.log >&2
    fail 'the extender did not run as its image does'
}
