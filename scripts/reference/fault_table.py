"""docs/faults.md, from the fault catalogue and the records that its tests left."""

import collections
import dataclasses
import json
import os
import re

HEAD = """<!-- Written by scripts/faults from what the tests recorded. -->
# Faults, and what podkeeper does about them

Every row of the fault catalogue (`tests/faults/catalogue.json`) with the tests that show it, what
happened in them, how long it took from the fault's end until all was as before, and the metric or
log line by which an operator sees it. Tests write the rows as they run; `scripts/faults` runs them
and writes this page, `.ci/run` fails where a row has no test that passed. Times of simulated tests
are virtual and the same in every run; those of tests on real programs (`tests/e2e`, proofs) are one
run's. A test that runs over several cases stands once, with its longest recovery.

"""


@dataclasses.dataclass(frozen=True)
class Row:
    number: int
    group: str
    fault: str
    required: str
    absent: str  # why nothing can show it; empty: something must


@dataclasses.dataclass(frozen=True)
class Catalogue:
    groups: dict  # letter to title
    rows: tuple


@dataclasses.dataclass(frozen=True)
class Record:
    row: int
    test: str
    source: str
    outcome: str
    evidence: str
    recovery: float | None  # seconds
    passed: bool


def read_catalogue(text):
    document = json.loads(text)
    rows = tuple(
        Row(r["row"], r["group"], r["fault"], r["required"], r.get("absent", ""))
        for r in document["rows"]
    )
    return Catalogue(document["groups"], rows)


def plain_name(test):
    """A test's name without the instances of its parameters: "All/Map.Grows/3" is "Map.Grows"."""
    if " " in test or "." not in test:
        return test
    suite, _, name = test.partition(".")
    parts = [part for part in suite.split("/") if not part.isdigit()]
    return parts[-1] + "." + re.sub(r"/[^.]*$", "", name)


def read_records(text, root):
    """One record for each row and test; of several runs the worst, in the order of the rows."""
    merged = {}
    for line in text.splitlines():
        raw = json.loads(line)
        source = os.path.normpath(raw["source"])
        if os.path.isabs(source):
            source = os.path.relpath(source, root)
        # A compiler may have been told paths relative to its build folder.
        source = re.sub(r"^(?:\.\./)+", "", source)
        record = Record(
            raw["row"], plain_name(raw["test"]), source, raw["outcome"], raw["evidence"],
            raw["recoverySeconds"], raw["passed"],
        )
        key = (record.row, record.test)
        merged[key] = worse(merged[key], record) if key in merged else record
    return sorted(merged.values(), key=lambda r: (r.row, r.source, r.test))


def worse(one, other):
    times = [r.recovery for r in (one, other) if r.recovery is not None]
    chosen = other if one.passed and not other.passed else one
    return dataclasses.replace(chosen, recovery=max(times, default=None))


def complaints(catalogue, records):
    """What is wrong with a run, a sentence each."""
    by_row = collections.defaultdict(list)
    for record in records:
        by_row[record.row].append(record)
    known = {row.number: row for row in catalogue.rows}
    found = []
    for row in catalogue.rows:
        if not row.absent and not by_row[row.number]:
            found.append(f"row {row.number} ({row.group}, {row.fault}): no test left a record")
    for record in records:
        where = f"row {record.row}: {record.test} ({record.source})"
        if record.row not in known:
            found.append(f"{where}: the catalogue has no such row")
        elif known[record.row].absent:
            found.append(f"{where}: the catalogue says that nothing can show it")
        if not record.passed:
            found.append(f"{where}: did not pass")
    return found


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def seconds(value):
    if value is None:
        return ""
    return f"{value:.1f} s" if value >= 0.1 else "< 0.1 s"


def table_row(row, tests):
    def stacked(texts):
        return "<br>".join(cell(text) for text in texts)

    if not tests:
        shown = f"none: {row.absent}" if row.absent else "**no test**"
        return (f"| {row.number} | {cell(row.fault)} | {cell(row.required)} | "
                f"| {cell(shown)} | | |\n")
    named = stacked(f"`{t.test}` (`{t.source}`)" for t in tests)
    happened = stacked(t.outcome if t.passed else f"**failed**: {t.outcome}" for t in tests)
    times = stacked(seconds(t.recovery) for t in tests) if any(
        t.recovery is not None for t in tests) else ""
    seen = stacked(t.evidence for t in tests)
    return (f"| {row.number} | {cell(row.fault)} | {cell(row.required)} | {named} | {happened} "
            f"| {times} | {seen} |\n")


def page(catalogue, records):
    """The whole text of docs/faults.md."""
    text = HEAD
    for letter, title in catalogue.groups.items():
        text += f"## {letter}. {title}\n\n"
        text += "| row | fault | required | test | outcome | recovery | what shows it |\n"
        text += "|---|---|---|---|---|---|---|\n"
        for row in catalogue.rows:
            if row.group == letter:
                text += table_row(row, [r for r in records if r.row == row.number])
        text += "\n"
    return text.rstrip("\n") + "\n"


def named_tests(text):
    """The rows of a page, each with the tests that it names and whether it is shown."""
    rows = {}
    for line in text.splitlines():
        match = re.match(r"\| (\d+) \| ", line)
        if match:
            tests = frozenset(re.findall(r"`([^`]+)` \(`([^`]+)`\)", line))
            rows[int(match[1])] = tests
    return rows


def differences(committed, wanted):
    """Where the committed page names other tests than the records do, a sentence each."""
    before, after = named_tests(committed), named_tests(wanted)
    hint = "run scripts/faults and commit docs/faults.md"
    found = []
    for row in sorted(before.keys() | after.keys()):
        for test, source in sorted(after.get(row, frozenset()) - before.get(row, frozenset())):
            found.append(f"docs/faults.md: row {row} lacks {test} ({source}): {hint}")
        for test, source in sorted(before.get(row, frozenset()) - after.get(row, frozenset())):
            found.append(f"docs/faults.md: row {row} names {test} ({source}), which left no "
                         f"record: {hint}")
    return found
