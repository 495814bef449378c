#!/usr/bin/env python3
"""Finds race windows in what the maps' audit remembers: keys that two tasks touched at nearly the
same time, at least one of them with a write.

    race_windows.py [--window 1ms] [--tasks FILE] [--limit N] [--json] FILE...

A FILE ("-" is standard input) is the answer of /debug/maps/{partition}/audit, of /debug/panics, or
one panic report out of it. The answer of /debug/tasks, as --tasks, names the creators of the tasks
that lived when it was taken. The tightest window comes first. A window is no proof of a fault: it
shows where two tasks met, and would meet the other way round another time. Ends with 0 whether
there are any or not, with 2 when a file is not what it should be.
"""

import argparse
import collections
import json
import re
import sys

UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
WRITES = ("put", "erase", "compare_and_put", "compare_and_erase")
KEYLESS = ("iterate",)
OUTSIDE = (0, "outside any task")

# A line of a panic report's mapAudit, as pkg/cmap/audit_report.h writes it; others tell of chains.
LINE = re.compile(
    r"(?P<partition>\S+): (?P<operation>find|put|erase|compare_and_put|compare_and_erase) "
    r"(?P<outcome>[a-z]+) (?P<key>of key hash 0x[0-9a-f]+|.+?), "
    r"shard (?P<shard>\d+) bucket (?P<bucket>\d+)"
    r"(?:, task (?P<name>.*)#(?P<id>\d+))?(?:, at (?P<s>\d+)\.(?P<ns>\d{9}) s)?"
    r", operation (?P<sequence>\d+)")

Touch = collections.namedtuple(
    "Touch", "partition sequence time_ns task operation outcome key hash shard bucket")
Window = collections.namedtuple("Window", "gap_ns first second count")


class BadInput(Exception):
    """What is wrong with a file, in one line."""


def parse_duration(text):
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}': use a number with ns, us, ms or s, like 1ms")
    return round(float(found[1]) * UNITS_NS[found[2]])


def member(value, name, kind, where):
    """value[name], which must be there and of that kind."""
    if not isinstance(value, dict) or name not in value:
        raise BadInput(f"{where} has no '{name}'")
    found = value[name]
    if not isinstance(found, kind) or isinstance(found, bool):
        raise BadInput(f"{where}: '{name}' is {json.dumps(found)[:40]}, not {kind.__name__}")
    return found


def touches_of_audit(audit):
    partition = member(audit, "partition", str, "the audit")
    entries = member(audit, "entries", list, "the audit")
    mode = member(audit, "mode", str, "the audit")
    if mode == "Off":
        raise BadInput(f"the audit of {partition} is off: set spec.audit.mode of its policy to All")
    if mode == "Sampled":
        print(f"note: {partition} keeps one operation of {audit.get('sampleEvery', '?')}; most "
              "windows are not seen", file=sys.stderr)
    for i, entry in enumerate(entries):
        where = f"entry {i} of {partition}"
        task = member(entry, "task", dict, where)
        who = (member(task, "id", int, where), member(task, "name", str, where))
        yield Touch(partition, member(entry, "sequence", int, where),
                    member(entry, "timeNs", int, where), who if who[0] else OUTSIDE,
                    member(entry, "operation", str, where), member(entry, "outcome", str, where),
                    member(entry, "key", str, where), member(entry, "hash", str, where),
                    member(entry, "shard", int, where), member(entry, "bucket", int, where))


def touches_of_report(report, creators):
    lines = member(report, "mapAudit", list, "the panic report")
    own = member(report, "task", dict, "the panic report")
    parties = [party.get("task", {}) for party in report.get("parties", [])]
    for task in [own, *parties]:
        if task.get("createdBy"):
            creators[(task.get("id"), task.get("name"))] = task["createdBy"]
    for line in lines:
        found = LINE.fullmatch(str(line))
        if not found:
            continue
        if found["s"] is None:
            raise BadInput(f"a mapAudit line has no time: {line}")
        task = (int(found["id"]), found["name"]) if found["id"] else OUTSIDE
        yield Touch(found["partition"], int(found["sequence"]),
                    int(found["s"]) * 10**9 + int(found["ns"]), task, found["operation"],
                    found["outcome"], found["key"], "", int(found["shard"]), int(found["bucket"]))


def load(name):
    try:
        if name == "-":
            return json.load(sys.stdin)
        with open(name, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise BadInput(error.strerror) from error
    except ValueError as error:
        raise BadInput(f"is not JSON: {error}") from error


def touches_of(document, creators):
    if not isinstance(document, dict):
        raise BadInput("is no JSON object")
    if "entries" in document:
        return list(touches_of_audit(document))
    if "panics" in document:
        reports = member(document, "panics", list, "the answer")
        return [touch for report in reports for touch in touches_of_report(report, creators)]
    if "mapAudit" in document:
        return list(touches_of_report(document, creators))
    raise BadInput("is no answer of /debug/maps/{partition}/audit or /debug/panics: it has none of "
                   "'entries', 'panics', 'mapAudit'")


def creators_of(document):
    tasks = member(document, "tasks", list, "the answer of /debug/tasks")
    return {(task.get("id"), task.get("name")): task.get("createdBy", "") for task in tasks}


def name_of(task):
    # The ring keeps the first 24 bytes of a task's name.
    return (task[0], task[1].encode()[:24].decode(errors="ignore"))


def windows(touches, window_ns):
    """The tightest for each key and pair of tasks, tightest first; counts how often they met."""
    by_key = collections.defaultdict(list)
    for touch in {(t.partition, t.sequence, t.time_ns): t for t in touches}.values():
        if touch.operation not in KEYLESS:
            by_key[touch.partition, touch.hash or touch.key].append(touch)
    tightest = {}
    for key, all_of_key in by_key.items():
        all_of_key.sort(key=lambda t: (t.time_ns, t.sequence))
        for i, second in enumerate(all_of_key):
            for first in reversed(all_of_key[:i]):
                gap = second.time_ns - first.time_ns
                if gap > window_ns:
                    break
                writes = first.operation in WRITES or second.operation in WRITES
                if first.task == second.task or not writes:
                    continue
                pair = (key, frozenset((first.task, second.task)))
                before = tightest.get(pair)
                count = before.count + 1 if before else 1
                if before and before.gap_ns <= gap:
                    tightest[pair] = before._replace(count=count)
                else:
                    tightest[pair] = Window(gap, first, second, count)
    return sorted(tightest.values(), key=lambda w: (w.gap_ns, w.first.time_ns, w.first.sequence))


def side(touch, creators):
    return {"task": {"id": touch.task[0], "name": touch.task[1],
                     "createdBy": creators.get(name_of(touch.task), "")},
            "timeNs": touch.time_ns, "operation": touch.operation, "outcome": touch.outcome,
            "sequence": touch.sequence}


def as_object(window, creators):
    first = window.first
    return {"gapNs": window.gap_ns, "partition": first.partition,
            "key": first.key or window.second.key or f"of key hash {first.hash}",
            "shard": window.second.shard, "bucket": window.second.bucket, "times": window.count,
            "sides": [side(first, creators), side(window.second, creators)]}


def as_text(window):
    lines = [f"{window['gapNs'] / 1000:.3f} us  {window['partition']} {window['key']}, shard "
             f"{window['shard']} bucket {window['bucket']}, {window['times']} times"]
    for one in window["sides"]:
        task = one["task"]
        creator = f" (created by {task['createdBy']})" if task["createdBy"] else ""
        who = f"{task['name']}#{task['id']}" if task["id"] else OUTSIDE[1]
        lines.append(f"    {one['timeNs'] / 1e9:.9f} s  {one['operation']} {one['outcome']}  "
                     f"{who}{creator}, operation {one['sequence']}")
    return "\n".join(lines)


def main(arguments):
    parser = argparse.ArgumentParser(
        description="Finds race windows in what the maps' audit remembers.")
    parser.add_argument("files", nargs="+", metavar="FILE",
                        help="answer of /debug/maps/{partition}/audit or /debug/panics; - is stdin")
    parser.add_argument("--window", type=parse_duration, default="1ms", metavar="DURATION",
                        help="the longest time between the two; default 1ms")
    parser.add_argument("--tasks", metavar="FILE", help="answer of /debug/tasks")
    parser.add_argument("--limit", type=int, default=20, metavar="N",
                        help="windows shown; default 20, 0 is all")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)

    touches, creators = [], {}
    name = options.tasks
    try:
        if name:
            creators.update(creators_of(load(name)))
        for name in options.files:
            touches += touches_of(load(name), creators)
        for touch in touches:
            if touch.time_ns == 0:
                raise BadInput(f"operation {touch.sequence} of {touch.partition} has no time")
    except BadInput as error:
        print(f"race_windows.py: {name}: {error}", file=sys.stderr)
        return 2

    creators = {name_of(task): creator for task, creator in creators.items() if task[1]}
    found = windows(touches, options.window)
    for window in found[:options.limit or None]:
        one = as_object(window, creators)
        print(json.dumps(one) if options.json else as_text(one))
    print(f"{len(found)} windows within {options.window} ns among {len(touches)} operations",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
