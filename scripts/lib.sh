# shellcheck shell=bash
# What every script here shares: where the tree is, steps with their time, one clear last line on
# failure. Sourced, never run.

set -euo pipefail

PK_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
PK_SCRIPT="$(basename "$0")"
cd "$PK_ROOT"

pk_step_name=""
pk_step_began=0
pk_said_why=false

# pk_step NAME: ends the step before and begins this one.
pk_step() {
  pk_step_done
  pk_step_name="$1"
  pk_step_began=$SECONDS
  printf '==> %s\n' "$1"
}

# pk_step_done: prints how long the step took, if there is one.
pk_step_done() {
  [[ -n "$pk_step_name" ]] || return 0
  printf '    %s: %d s\n' "$pk_step_name" $((SECONDS - pk_step_began))
  pk_step_name=""
}

# pk_fail MESSAGE: says what went wrong and what to do, as the last line, and ends with 1.
pk_fail() {
  pk_said_why=true
  printf '%s: failed: %s\n' "$PK_SCRIPT" "$1" >&2
  exit 1
}

# However a script ends, a failure's last line names the step that failed.
pk_on_exit() {
  local code=$?
  trap - EXIT
  if ((code == 130)); then
    printf '%s: interrupted\n' "$PK_SCRIPT" >&2
  elif ((code != 0)) && ! $pk_said_why; then
    printf '%s: failed%s (exit code %d); the reason is above\n' "$PK_SCRIPT" \
      "${pk_step_name:+ in the step \"$pk_step_name\"}" "$code" >&2
  fi
  exit "$code"
}
trap pk_on_exit EXIT

# pk_configure PRESET [CMAKE ARGUMENT...]: writes build/PRESET, or does nothing where it is current.
# Ninja itself configures again when a CMakeLists.txt changes; it does not see the presets.
pk_configure() {
  local preset="$1"
  shift
  if (($# == 0)) && [[ "build/$preset/build.ninja" -nt CMakePresets.json ]]; then return 0; fi
  cmake --preset "$preset" "$@"
}

# pk_build PRESET TARGET...: builds, Ninja showing how far it is.
pk_build() {
  local preset="$1"
  shift
  cmake --build --preset "$preset" --target "$@"
}

# pk_ctest PRESET [CTEST ARGUMENT...]: runs tests and sets pk_passed, pk_failed and pk_skipped.
pk_ctest() {
  local preset="$1" code=0 progress=()
  local report="$PK_ROOT/build/$preset/tests.xml"
  shift
  if [[ -t 1 ]]; then progress=(--progress); fi
  rm -f "$report"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error --timeout 600 \
    -j "$(nproc)" "${progress[@]}" --output-junit "$report" "$@" || code=$?
  pk_counts "$report"
  if ((code != 0 && pk_failed == 0)); then pk_failed=1; fi
}

# pk_counts JUNIT_FILE: sets pk_passed, pk_failed and pk_skipped from what ctest wrote. A test that
# could not be run counts as failed, a disabled one as skipped.
# shellcheck disable=SC2034  # for the sourcing script
pk_counts() {
  local file="$1" tests
  [[ -s "$file" ]] || pk_fail "ctest wrote no report ($file)"
  tests=$(grep -c '<testcase ' "$file" || true)
  pk_passed=$(grep -c '<testcase .* status="run"' "$file" || true)
  pk_skipped=$(grep -cE '<skipped message="SKIP_|<testcase .* status="disabled"' "$file" || true)
  pk_failed=$((tests - pk_passed - pk_skipped))
}

# pk_counted COMMAND...: runs a script whose last line is "N passed, N failed, N skipped", and adds
# these to pk_passed, pk_failed and pk_skipped.
pk_counted() {
  local counts log code=0
  log=$(mktemp)
  "$@" | tee "$log" || code=$?
  counts=$(tail -n 1 "$log")
  rm -f "$log"
  if [[ "$counts" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    pk_passed=$((pk_passed + BASH_REMATCH[1]))
    pk_failed=$((pk_failed + BASH_REMATCH[2]))
    pk_skipped=$((pk_skipped + BASH_REMATCH[3]))
  elif ((code == 0)); then
    code=1
  fi
  if ((code != 0 && pk_failed == 0)); then pk_failed=1; fi
}

# pk_commit: the commit that is measured, "-dirty" when the tree differs from it (records aside).
pk_commit() {
  local dirty=""
  if [[ -n "$(git status --porcelain -- . ':!docs/*.jsonl')" ]]; then dirty=-dirty; fi
  printf '%s%s' "$(git rev-parse --short=12 HEAD)" "$dirty"
}

# pk_real_cluster FOLDER: what the programs of tests/e2e need: a kube-apiserver, built where it is
# not yet, and podkeeperd in FOLDER. Sets PK_PYTHON, the interpreter that has their modules.
pk_real_cluster() {
  local paths
  scripts/setup-e2e || pk_fail "the real kube-apiserver could not be set up"
  mapfile -t paths <<<"$(scripts/setup-e2e --paths)"
  export PK_KUBEAPI="${paths[0]}" PK_ETCD_DATA="${paths[1]}" PK_BIN
  PK_BIN=$(cd "$1" && pwd)
  # shellcheck disable=SC2034  # for the sourcing script
  PK_PYTHON=(env PYTHONPATH=tests/e2e:tests/faults PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3)
}

# pk_summary FILE: what a proof or benchmark says of itself, the first sentence of its comment.
pk_summary() {
  if [[ "$1" == *.py ]]; then
    awk '{ sub(/^"""/, ""); text = text (NR > 1 ? " " : "") $0 } /[.:]( |$)/ { exit }
         END { sub(/[.:]( .*)?$/, "", text); print text }' "$1"
    return
  fi
  awk '!/^\/\// { exit } { sub(/^\/\/ */, ""); text = text (NR > 1 ? " " : "") $0 }
       END { sub(/[.]( .*)?$/, "", text); print text }' "$1"
}

# pk_kubectl_is_old: no kubectl, or one that knows no kustomization of ours (before 1.22; Debian 12
# has 1.20).
pk_kubectl_is_old() {
  local minor
  minor=$(kubectl version --client -o json 2>/dev/null |
    sed -nE 's/^ *"minor": "([0-9]+).*/\1/p' | head -n 1)
  ((${minor:-0} < 22))
}
