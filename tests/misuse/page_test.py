#!/usr/bin/python3
"""docs/misuse.md says no more than the tests show: every mark has its test, every test exists."""

import functools
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/misuse.md"
# What a test of each tool is called; the compiler's two share the cases under compile_fail/.
KINDS = {
    "compiler": r"misuse\.compile\.", "thread safety": r"misuse\.compile\.",
    "clang-tidy": r"misuse\.clang_tidy\.", "TSan": r"misuse\.thread\.",
    "ASan, UBSan": r"misuse\.address\.|\w+\.\w*AddressSanitizer$",
    "write flag": r"WriteFlag\.", "tests/tidy": r"tidy\.",
    "design": r"(?!misuse|tidy)",
}


def tables():
    """The page's two tables, as lists of rows of cells, without their headlines' second line."""
    found = [[]]
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|---"):
            continue
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def marks():
    """{misuse: {tool: mark}}; a row without marks is a headline."""
    (_, *tools), *rows = tables()[0]
    return {row[0]: dict(zip(tools, row[1:])) for row in rows if any(row[1:])}


def proofs():
    """{misuse: {tool: [test]}}"""
    _, *rows = tables()[1]
    return {misuse: {part.split(": ")[0]: re.findall(r"`([^`]+)`", part)
                     for part in text.split("; ") if ": " in part}
            for misuse, _, text in rows}


def named():
    return {test for by_tool in proofs().values() for tests in by_tool.values() for test in tests}


@functools.cache
def planted():
    """The names of the tests that tests/misuse/CMakeLists.txt makes, a file each."""
    here = ROOT / "tests/misuse"
    return ({f"misuse.compile.{case.stem}" for case in here.glob("compile_fail/*.cc")}
            | {f"misuse.{case.parent.name}.{case.stem}" for case in here.glob("planted/*/*.cc")})


@functools.cache
def others():
    """Every gtest of the tree, and the rules of tests/tidy."""
    pattern = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.M)
    tests = {f"{suite}.{name}" for file in (ROOT / "tests").glob("*/*_test.cc")
             for suite, name in pattern.findall(file.read_text(encoding="utf-8"))}
    rules = (ROOT / "tests/tidy/CMakeLists.txt").read_text(encoding="utf-8")
    listed = re.search(r"foreach\(rule ([^)]*)\)", rules).group(1)
    return tests | {f"tidy.{rule}" for rule in listed.split()}


class Page(unittest.TestCase):
    def test_every_named_test_exists(self):
        self.assertEqual(named() - planted() - others(), set())

    def test_every_planted_misuse_is_named(self):
        self.assertEqual(planted() - named(), set())

    def test_both_tables_have_the_same_rows(self):
        self.assertEqual(list(marks()), list(proofs()))
        self.assertGreater(len(marks()), 20)

    def test_what_is_marked_has_a_test_and_the_reverse(self):
        for misuse, by_tool in marks().items():
            with self.subTest(misuse):
                self.assertEqual(list(by_tool), list(KINDS))
                self.assertLessEqual(set(by_tool.values()), {"yes", "part", "no"})
                caught = {tool for tool, mark in by_tool.items() if mark != "no"}
                self.assertEqual(caught, set(proofs()[misuse]))

    def test_each_test_is_one_of_its_tool(self):
        for misuse, by_tool in proofs().items():
            for tool, tests in by_tool.items():
                with self.subTest(misuse, tool=tool):
                    self.assertTrue(tests)
                    for test in tests:
                        self.assertRegex(test, "^(?:" + KINDS[tool] + ")")

    def test_names_in_the_text_exist(self):
        text = PAGE.read_text(encoding="utf-8")
        pattern = r"`((?:misuse|tidy)\.\w+\.?\w*|[A-Z]\w+\.[A-Z]\w+)`"
        mentioned = set(re.findall(pattern, text)) - {"misuse.page"}
        self.assertEqual(mentioned - planted() - others(), set())


if __name__ == "__main__":
    unittest.main()
