"""Leaves what a Python test saw of a row of the fault catalogue, as record.h does for C++.

A test of tests/e2e or tests/deploy imports it by name; others put its folder on their path.
"""

import inspect
import json
import os
import sys


def record_fault(row, test, outcome, evidence, recovery=None):
    """Appends a line of JSON to the file of PK_FAULT_RECORDS; does nothing without that variable.

    row: of tests/faults/catalogue.json. test: the unittest.TestCase that runs, or a proof's name.
    outcome: what happened. evidence: the metric or log line that shows it. recovery: seconds from
    the fault's end to the service as before, where anything was lost by it. Call it at the test's
    end: a test that has failed so far leaves a record that says so.
    """
    path = os.environ.get("PK_FAULT_RECORDS")
    if not path:
        return
    named = isinstance(test, str)
    running = None if named else getattr(test, "_outcome", None)
    source = sys._getframe(1).f_code.co_filename if named else inspect.getfile(type(test))
    line = {
        "row": row,
        "test": test if named else ".".join(test.id().split(".")[-3:]),
        "source": os.path.abspath(source),
        "outcome": outcome,
        "evidence": evidence,
        "recoverySeconds": recovery,
        "passed": running is None or running.success,
    }
    # One write: tests that run at the same time append to the same file.
    with open(path, "ab", buffering=0) as file:
        file.write((json.dumps(line) + "\n").encode())
