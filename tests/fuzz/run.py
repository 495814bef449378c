#!/usr/bin/env python3
"""Runs libFuzzer's targets two at a time and tells what came of each.

    tests/fuzz/run.py [--seconds N] [--runs N] TARGET...

Prints a table of executions, executions per second, covered edges, inputs kept and crashes, the
command that replays each crash, and as its last line one JSON object. What the targets say is in
build/fuzz/log. Use scripts/fuzz, which builds them.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
AT_ONCE = 2
FLAGS = (
    "-max_len=163840",      # tests/fuzz/support/target.h
    "-len_control=0",       # lengths at the limits are what mutation alone does not find
    "-timeout=30",          # seconds for one input
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
)
# A smaller quarantine: freed memory is reused soon enough to keep a long run small.
SANITIZER = "quarantine_size_mb=32:detect_stack_use_after_return=0"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("targets", nargs="+")
    options = parser.parse_args()
    print(f"{'target':<16} {'executions':>12} {'exec/s':>9} {'edges':>7} {'inputs':>7} "
          f"{'seconds':>8} crashes", flush=True)
    results = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(run, target, options) for target in options.targets]
        for done in concurrent.futures.as_completed(runs):
            results.append(done.result())
            show(results[-1])
    crashes = sum(len(result["crashes"]) for result in results)
    failed = [result["target"] for result in results if result["code"] != 0]
    print(json.dumps({
        "result": "fail" if failed else "pass",
        "targets": len(results),
        "executions": sum(result["executions"] for result in results),
        "crashes": crashes,
        "executionsByTarget": {r["target"]: r["executions"] for r in sort(results)},
        "edgesByTarget": {r["target"]: r["edges"] for r in sort(results)},
    }))
    return 1 if failed else 0


def sort(results):
    return sorted(results, key=lambda result: result["target"])


def run(target, options):
    corpus, found = BUILD / "corpus" / target, BUILD / "crashes"
    log_path = BUILD / "log" / f"{target}.log"
    for folder in (corpus, found, log_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = [BUILD / "tests" / "fuzz" / f"fuzz_{target}", *FLAGS,
               f"-artifact_prefix={found}/{target}-"]
    if options.seconds:
        command.append(f"-max_total_time={options.seconds}")
    if options.runs:
        command.append(f"-runs={options.runs}")
    command += [corpus, ROOT / "tests" / "fuzz" / "seeds" / target]
    began = time.monotonic()
    with open(log_path, "wb") as log:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              env=environment(), check=False).returncode
    text = log_path.read_text(encoding="utf-8", errors="replace")
    return {
        "target": target, "code": code, "log": log_path,
        "seconds": time.monotonic() - began,
        "executions": last_number(r"stat::number_of_executed_units:\s*(\d+)", text),
        "edges": last_number(r"\bcov: (\d+)", text),
        "inputs": last_number(r"\bcorp: (\d+)", text),
        "crashes": sorted(path for path in set(found.iterdir()) - before
                          if path.name.startswith(f"{target}-")),
    }


def environment():
    symbolizer = shutil.which("llvm-symbolizer-19")
    names = {"ASAN_SYMBOLIZER_PATH": symbolizer} if symbolizer else {}
    return os.environ | {"ASAN_OPTIONS": SANITIZER} | names


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def show(result):
    rate = result["executions"] / max(result["seconds"], 0.001)
    print(f"{result['target']:<16} {result['executions']:>12,} {rate:>9,.0f} {result['edges']:>7,} "
          f"{result['inputs']:>7,} {result['seconds']:>8.0f} {len(result['crashes'])}", flush=True)
    if result["code"] == 0:
        return
    lines = result["log"].read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines
            if re.search(r"violation:|ERROR: |runtime error:|SUMMARY:|terminate called", line)]
    for line in said[:6]:
        print(f"    {line[:300]}")
    if not result["crashes"]:
        print(f"    ended with {result['code']}; see {result['log'].relative_to(ROOT)}")
    for path in result["crashes"]:
        print(f"    replay: build/fuzz/tests/fuzz/fuzz_{result['target']} {path.relative_to(ROOT)}",
              flush=True)


if __name__ == "__main__":
    sys.exit(main())
