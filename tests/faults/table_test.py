#!/usr/bin/python3
"""docs/faults.md says what the records say, and a row without a test that passed is a failure."""

import contextlib
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts" / "reference"), str(ROOT / "tests" / "faults")]

import fault_table  # noqa: E402
from record import record_fault  # noqa: E402

CATALOGUE = fault_table.read_catalogue(json.dumps({
    "groups": {"A": "Upstream", "G": "Authentication"},
    "rows": [
        {"row": 1, "group": "A", "fault": "refused", "required": "waits"},
        {"row": 2, "group": "A", "fault": "503", "required": "keeps its state"},
        {"row": 3, "group": "G", "fault": "bad token", "required": "401", "absent": "not yet"},
    ],
}))


def records(*lines):
    whole = {"row": 1, "test": "Suite.Name", "source": "tests/kube/a_test.cc", "outcome": "as it "
             "must", "evidence": "a_total", "recoverySeconds": None, "passed": True}
    text = "".join(json.dumps({**whole, **line}) + "\n" for line in lines)
    return fault_table.read_records(text, ROOT)


class Table(unittest.TestCase):
    def test_all_rows_shown_is_no_complaint(self):
        self.assertEqual(fault_table.complaints(CATALOGUE, records({}, {"row": 2})), [])

    def test_a_row_without_a_record_is_named(self):
        found = fault_table.complaints(CATALOGUE, records({}))
        self.assertEqual(found, ["row 2 (A, 503): no test left a record"])

    def test_a_record_that_did_not_pass_is_named_though_others_of_its_row_did(self):
        lines = ({}, {"row": 2}, {"row": 2, "test": "Suite.Other", "passed": False})
        self.assertEqual(fault_table.complaints(CATALOGUE, records(*lines)),
                         ["row 2: Suite.Other (tests/kube/a_test.cc): did not pass"])

    def test_rows_that_are_unknown_or_cannot_be_shown_are_named(self):
        found = fault_table.complaints(CATALOGUE, records({}, {"row": 2}, {"row": 3}, {"row": 9}))
        self.assertEqual(len(found), 2)
        self.assertIn("nothing can show it", found[0])
        self.assertIn("no such row", found[1])

    def test_instances_of_a_test_are_one_with_the_longest_recovery_and_the_worst_outcome(self):
        path = str(ROOT / "tests/kube/a_test.cc")
        merged = records({"test": "All/Suite.Name/0", "recoverySeconds": 2, "source": path},
                         {"test": "All/Suite.Name/1", "passed": False},
                         {"test": "Suite/3.Name", "recoverySeconds": 7})
        self.assertEqual(len(merged), 1)
        self.assertEqual((merged[0].test, merged[0].recovery), ("Suite.Name", 7))
        self.assertFalse(merged[0].passed)
        self.assertEqual(merged[0].source, "tests/kube/a_test.cc")

    def test_the_page_names_every_row_its_tests_and_why_one_has_none(self):
        page = fault_table.page(CATALOGUE, records({"recoverySeconds": 1.25, "evidence": "a|b"}))
        self.assertIn("`Suite.Name` (`tests/kube/a_test.cc`) | as it must | 1.2 s | a\\|b |", page)
        self.assertIn("| 2 | 503 | keeps its state | | **no test** |", page)
        self.assertIn("none: not yet", page)

    def test_a_page_of_other_tests_is_out_of_date_and_one_of_other_times_is_not(self):
        page = fault_table.page(CATALOGUE, records({"recoverySeconds": 1}))
        later = fault_table.page(CATALOGUE, records({"recoverySeconds": 2}))
        self.assertEqual(fault_table.differences(page, later), [])
        other = fault_table.page(CATALOGUE, records({"test": "Suite.Other"}))
        found = fault_table.differences(page, other)
        self.assertEqual(len(found), 2)
        self.assertIn("lacks Suite.Other", found[0])
        self.assertIn("names Suite.Name", found[1])

    def test_a_python_test_leaves_a_record(self):
        with self.records_file() as path:
            record_fault(1, self, "as it must", "a_total", recovery=0.5)
            found = fault_table.read_records(path.read_text(), ROOT)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].source, "tests/faults/table_test.py")
        self.assertTrue(found[0].test.endswith("Table.test_a_python_test_leaves_a_record"))
        self.assertTrue(found[0].passed)

    @contextlib.contextmanager
    def records_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "records"
            with mock.patch.dict("os.environ", PK_FAULT_RECORDS=str(path)):
                yield path

    def test_the_catalogue_is_read_and_its_rows_have_groups(self):
        text = (ROOT / "tests/faults/catalogue.json").read_text()
        catalogue = fault_table.read_catalogue(text)
        numbers = [row.number for row in catalogue.rows]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual({row.group for row in catalogue.rows}, set(catalogue.groups))


if __name__ == "__main__":
    unittest.main()
