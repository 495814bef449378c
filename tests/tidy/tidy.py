#!/usr/bin/python3
"""Style as a test: reads the floor table and the tree, and names every place that breaks a rule.

    tests/tidy/tidy.py [RULE...]     all rules when none is named; --list names them
"""

import pathlib
import sys

import rules_coroutines
import rules_floors
import rules_seams
import rules_shape
from source_tree import SourceTree

RULES = {rule.__name__: rule for rule in (
    rules_floors.floors,
    rules_floors.link_dependencies,
    rules_seams.seams,
    rules_seams.detached_tasks,
    rules_seams.annotated_locks,
    rules_seams.library_headers,
    rules_coroutines.name_then_await,
    rules_shape.header_guard,
    rules_shape.file_length,
    rules_shape.function_length,
    rules_shape.columns,
    rules_shape.unfinished,
)}


def main(arguments):
    if arguments == ["--list"]:
        for name, rule in RULES.items():
            print(f"{name:20} {rule.__doc__}")
        return 0
    unknown = [name for name in arguments if name not in RULES]
    if unknown:
        print(f"tidy: unknown rule '{unknown[0]}'; known are {', '.join(RULES)}", file=sys.stderr)
        return 2
    tree = SourceTree.of_checkout(pathlib.Path(__file__).resolve().parents[2])
    findings = [finding for name in arguments or RULES for finding in RULES[name](tree)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
