#!/usr/bin/python3
"""Runs the tests of one or more modules here; the last line is "N passed, N failed, N skipped".

    tests/deploy/run.py MODULE...
"""

import sys
import unittest

sys.dont_write_bytecode = True


class Counting(unittest.TextTestResult):
    """Counts every subtest as a test of its own: each stands for a case somebody wrote."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is None:
            self.passed += 1


def main(modules):
    suite = unittest.defaultTestLoader.loadTestsFromNames(modules)
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Counting, verbosity=1)
    result = runner.run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    failed = failed or int(result.testsRun == 0)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
