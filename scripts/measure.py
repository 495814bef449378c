#!/usr/bin/env python3
"""Runs a proof or a benchmark, shows its output as it comes, and records its last line.

    measure.py KIND NAME --commit C --size S [--seed N] --append FILE -- PROGRAM [ARGUMENT...]

The last line of the program's output is one JSON object. A proof's has "result", "pass" or "fail",
and figures beside it: that is one record. A benchmark's has its figures by name, each an object
with "value" and, where there is one, "unit", "peer" and "ratio": each is a record. It ends non-zero
when the program did, when there is no such line, or when a proof's result is not "pass". With an
empty FILE nothing is recorded.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("proof", "bench"))
    parser.add_argument("name")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--append", required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    began = time.monotonic()
    last, code = run(options.command)
    duration = round(time.monotonic() - began, 1)
    figures = figures_of(last)
    if figures is None:
        print(f"{last}\n{options.name}: its last line is no JSON object (exit code {code})")
        return 1

    if options.kind == "proof":
        print(last)
        passed = code == 0 and figures.get("result") == "pass"
        records = [proof_record(options, started, duration, passed, figures)]
    else:
        passed = code == 0
        records = list(bench_records(options, started, figures))
    if options.append:
        with open(options.append, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
    verdict = "pass" if passed else f"fail (exit code {code})"
    print(f"{options.name}: {verdict}, {duration} s", flush=True)
    return 0 if passed else 1


def run(command):
    """The last line that is not blank, which is not shown yet, and the exit code."""
    last = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True) as process:
        for line in process.stdout:
            line = line.rstrip("\n")
            if line.strip():
                if last:
                    print(last, flush=True)
                last = line
    return last, process.returncode


def figures_of(line):
    try:
        figures = json.loads(line)
    except ValueError:
        return None
    return figures if isinstance(figures, dict) else None


def proof_record(options, started, duration, passed, figures):
    return {
        "proof": options.name, "commit": options.commit, "seed": options.seed,
        "size": options.size, "started": started, "durationSeconds": duration,
        "result": "pass" if passed else "fail",
        "figures": {name: value for name, value in figures.items() if name != "result"},
    }


def bench_records(options, started, figures):
    for name, figure in figures.items():
        if not name.startswith(options.name + "."):
            name = f"{options.name}.{name}"
        record = {"figure": name, "commit": options.commit, "date": started}
        yield record | (figure if isinstance(figure, dict) else {"value": figure})


if __name__ == "__main__":
    sys.exit(main())
