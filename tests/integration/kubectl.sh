#!/usr/bin/env bash
# A kubectl against simkube, as a user works with policies, pods and nodes: what kubectl prints and
# what it ends with are the claims. 77 where there is no such kubectl.
#
#   kubectl.sh SIMKUBE SOURCE_DIR          the installed one
#   kubectl.sh SIMKUBE SOURCE_DIR --old    the oldest that is promised to work, 1.20
set -euo pipefail

simkube=$1 source=$2 kubectl=kubectl
if [[ "${3:-}" == --old ]]; then kubectl=$("$source/scripts/setup-kubectl" --path); fi
command -v "$kubectl" >/dev/null || exit 77
work=$(mktemp -d)
touch "$work/simkube.log"  # else tail may come before the background process has made it
"$simkube" --churn=0 --crds="$source/tests/data/widgets-crd.yaml" >"$work/simkube.log" &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
read -r -t 30 address < <(tail -f --pid="$pid" "$work/simkube.log" | sed -u 's/^listening on //')

k() { timeout 30 "$kubectl" -s "http://$address" --cache-dir "$work/cache" "$@" 2>&1; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# expect TEXT COMMAND...: its output contains the text.
expect() {
  local wanted=$1 out
  shift
  out=$(k "$@") || true
  [[ "$out" == *"$wanted"* ]] || fail "kubectl $*: wanted \"$wanted\", got: $out"
}
policy() { # policy SHARDS
  printf '%s\n' 'apiVersion: podkeeper.dev/v1alpha1' 'kind: ConcurrentMapPolicy' \
    'metadata: {name: x}' "spec: {strategy: Sharded, shards: $1}" >"$work/x.yaml"
}

expect "concurrentmappolicies.podkeeper.dev" get crd
expect "created" apply -f "$source/config/samples"
expect "unchanged" apply -f "$source/config/samples"
expect "ci-churn" get podkeeper

policy 64
expect "x created" apply -f "$work/x.yaml"
policy 128
expect "x configured" apply -f "$work/x.yaml"
[[ "$(k get cmpol x -o 'jsonpath={.spec.shards} {.metadata.generation}')" == "128 2" ]] ||
  fail "apply did not update shards and generation"
policy 3
expect "spec.shards: Unsupported value: 3" apply -f "$work/x.yaml"
sed -i 's/shards/shrds/' "$work/x.yaml"
k apply -f "$work/x.yaml" >/dev/null && fail "an unknown field was taken"
out=$(k get cmpol) || fail "get cmpol"
[[ "$(head -n 1 <<<"$out" | tr -s ' ')" == "NAME STRATEGY ACTIVE READY ENTRIES AGE"* ]] ||
  fail "get cmpol prints: $out"

# What the controller will do: conditions through the status subresource, an Event beside them.
curl -fsS -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' \
  "http://$address/apis/podkeeper.dev/v1alpha1/concurrentmappolicies/x/status" -d '{"status":
  {"conditions":[{"type":"Ready","status":"True","reason":"Applied","message":"runs",
  "lastTransitionTime":"2026-11-21T11:00:00Z","observedGeneration":2}]}}'
expect "condition met" wait --for=condition=Ready cmpol/x --timeout=20s
uid=$(k get cmpol x -o 'jsonpath={.metadata.uid}')
curl -fsS -o /dev/null -X POST -H 'Content-Type: application/json' \
  "http://$address/apis/events.k8s.io/v1/namespaces/default/events" -d '{"kind":"Event",
  "apiVersion":"events.k8s.io/v1","metadata":{"generateName":"x-"},"type":"Normal",
  "eventTime":"2026-11-21T11:30:00.000000Z","reportingController":"podkeeper.dev/podkeeper",
  "reportingInstance":"p","action":"Apply","reason":"Applied","note":"Sharded serves now",
  "regarding":{"kind":"ConcurrentMapPolicy","name":"x","apiVersion":"podkeeper.dev/v1alpha1",
  "uid":"'"$uid"'"}}'
expect "Sharded serves now" get events
expect "Sharded serves now" describe cmpol x

expect "edited" patch cmpol x --type=merge -p '{"metadata":{"labels":{"edited":"yes"}}}' -o yaml
EDITOR='sed -i s/128/256/' expect "edited" edit cmpol x
expect "shards" explain cmpol.spec
expect "deleted" delete cmpol x
expect "not found" get cmpol x
expect "deleted" delete cmpol --all
expect "No resources found" get cmpol

expect "created" create -f - <<'WIDGET'
{"apiVersion":"test.podkeeper.dev/v1","kind":"Widget","metadata":{"generateName":"w-"},
 "spec":{"colour":"green"}}
WIDGET
expect "green" get widgets
expect "deleted" delete crd widgets.test.podkeeper.dev
k get widgets >/dev/null && fail "widgets outlived their definition"
# What is built in: written, patched in each of the three ways, described, watched to its end.
pod() { # pod LABEL
  printf '%s\n' 'apiVersion: v1' 'kind: Pod' "metadata: {name: x, labels: {tier: $1}}" \
    'spec: {containers: [{name: c, image: nginx}]}' >"$work/pod.yaml"
}
tier() { k get pod x -o 'jsonpath={.metadata.labels.tier}'; }
pod a
expect "x created (server dry run)" apply --dry-run=server -f "$work/pod.yaml"
expect "not found" get pod x
expect "x created" apply -f "$work/pod.yaml"
pod b
expect "x configured (server dry run)" apply --dry-run=server -f "$work/pod.yaml"
[[ "$(tier)" == a ]] || fail "a dry run changed the pod's label to $(tier)"
expect "+    tier: b" diff -f "$work/pod.yaml"
expect "x configured" apply -f "$work/pod.yaml"
expect "x patched" patch pod x -p '{"metadata":{"labels":{"tier":"c"}}}'
expect "x patched" patch pod x --type=merge -p '{"metadata":{"annotations":{"by":"merge"}}}'
expect "x patched" patch pod x --type=json \
  -p '[{"op":"test","path":"/metadata/labels/tier","value":"c"},
       {"op":"replace","path":"/metadata/labels/tier","value":"d"}]'
expect "The request is invalid" patch pod x --type=json \
  -p '[{"op":"test","path":"/metadata/labels/tier","value":"c"}]'
[[ "$(tier)" == d ]] || fail "after three patches the label is $(tier)"
expect "x labeled" label pod x tier=e --overwrite
expect "x annotated" annotate pod x by-
expect "condition met" wait --for=condition=Ready pod/x --timeout=30s
expect "Image:          nginx" describe pod x
expect "deleted" delete pod x --grace-period=1
expect "not found" get pod x

expect "web created (server dry run)" create deployment web --image=nginx --dry-run=server
expect "web created" create deployment web --image=nginx
expect "successfully rolled out" rollout status deployment/web --timeout=30s
expect "web-" get pods -l app=web -o name
expect "deleted" delete deployment web
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')
expect "$node cordoned" cordon "$node"
expect "SchedulingDisabled" get node "$node"
expect "Unschedulable:      true" describe node "$node"
expect "$node uncordoned" uncordon "$node"
expect "team created" create namespace team
expect "seen created" -n team create configmap seen --from-literal=a=b
expect "deleted" delete namespace team
expect "not found" -n team get configmap seen
echo "kubectl $(k version --client | head -n 1) works with simkube"
