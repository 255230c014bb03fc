# What `helm test` asks the extender: may this pod run on these nodes? It knows neither of them, so the
# right answer is "no opinion": both pass, with equal scores. EXTENDER is its address, CA the authority's file.
ask() {
    curl --silent --show-error --fail --max-time 10 ${CA:+--cacert "$CA"} \
        --header 'Content-Type: application/json' --data @- "$EXTENDER/$1" <<'REQUEST'
{
  "Pod": {
    "metadata": {
      "name": "helm-test", "namespace": "default", "uid": "helm-test",
      "annotations": {"carbon-kube.io/mode": "enforce", "carbon-kube.io/max-delay": "6h"}
    },
    "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]}
  },
  "NodeNames": ["helm-test-a", "helm-test-b"]
}
REQUEST
}

expect() {
    answer="$(ask "$1")"
    echo "$1: $answer"
    if ! echo "$answer" | grep -q "$2"; then
        echo "expected: $2" >&2
        exit 1
    fi
}

expect filter '"NodeNames":\["helm-test-a","helm-test-b"\]'
expect prioritize '\[{"Host":"helm-test-a","Score":\([0-9]*\)},{"Host":"helm-test-b","Score":\1}\]'
echo 'the extender decides'
