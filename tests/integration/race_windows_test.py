#!/usr/bin/env python3
"""scripts/race_windows.py over made, recorded and live audits.

    race_windows_test.py PODKEEPERD
"""

import contextlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zlib

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import race_windows  # noqa: E402  (its folder is no package)

PODKEEPERD = ""
RECORDED = ROOT / "tests/data/audit"


def entry(sequence, time_ns, task, operation, outcome, key, **more):
    name, task_id = task
    return {"sequence": sequence, "timeNs": time_ns, "task": {"id": task_id, "name": name},
            "operation": operation, "outcome": outcome, "key": key, "shard": 3, "bucket": 17,
            "hash": f"0x{zlib.crc32(key.encode()):x}", **more}


def audit(*entries, mode="All"):
    return {"partition": "pods", "mode": mode, "sampleEvery": 64, "entries": list(entries)}


WRITER, READER = ("reflector pods", 7), ("pod state", 9)
NOW = 3_600_000_000_000


class RaceWindows(unittest.TestCase):
    def run_on(self, *documents, arguments=(), tasks=None):
        """(code, windows, standard error)."""
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for i, document in enumerate([*documents, tasks]):
                path = pathlib.Path(folder) / f"{i}.json"
                text = document if isinstance(document, str) else json.dumps(document)
                path.write_text(text, encoding="utf-8")
                files.append(str(path))
            if tasks is not None:
                arguments = [*arguments, "--tasks", files[-1]]
            return self.run_files(*files[:-1], arguments=arguments)

    def run_files(self, *files, arguments=()):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = race_windows.main([*arguments, "--json", "--limit=0", *map(str, files)])
        return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    def test_two_tasks_on_one_key_are_a_window_told_with_all_that_is_known(self):
        code, found, _ = self.run_on(
            audit(entry(2, NOW + 900, READER, "find", "found", "ns/a"),
                  entry(1, NOW, WRITER, "put", "added", "ns/a")),
            tasks={"tasks": [{"id": 7, "name": "reflector pods", "createdBy": "daemon/m.cc:85"}]})
        self.assertEqual(code, 0)
        self.assertEqual(found, [{
            "gapNs": 900, "partition": "pods", "key": "ns/a", "shard": 3, "bucket": 17, "times": 1,
            "sides": [
                {"task": {"id": 7, "name": "reflector pods", "createdBy": "daemon/m.cc:85"},
                 "timeNs": NOW, "operation": "put", "outcome": "added", "sequence": 1},
                {"task": {"id": 9, "name": "pod state", "createdBy": ""},
                 "timeNs": NOW + 900, "operation": "find", "outcome": "found", "sequence": 2}]}])

    def test_neither_one_task_nor_two_readers_nor_two_keys_are_a_window(self):
        _, found, _ = self.run_on(audit(
            entry(1, NOW, WRITER, "put", "added", "ns/a"),
            entry(2, NOW + 1, WRITER, "erase", "erased", "ns/a"),
            entry(3, NOW + 2, READER, "put", "added", "ns/b"),
            entry(4, NOW + 3, READER, "find", "found", "ns/c"),
            entry(5, NOW + 4, WRITER, "find", "found", "ns/c"),
            entry(6, NOW + 5, READER, "iterate", "walked", "")))
        self.assertEqual(found, [])

    def test_the_window_is_one_millisecond_unless_it_is_given(self):
        both = audit(entry(1, NOW, WRITER, "put", "added", "ns/a"),
                     entry(2, NOW + 1_000_001, READER, "erase", "erased", "ns/a"))
        self.assertEqual(self.run_on(both)[1], [])
        self.assertEqual(len(self.run_on(both, arguments=["--window=1.5ms"])[1]), 1)

    def test_the_tightest_comes_first_and_repetitions_are_counted(self):
        _, found, _ = self.run_on(audit(
            entry(1, NOW, WRITER, "put", "added", "ns/a"),
            entry(2, NOW + 500, READER, "find", "found", "ns/a"),
            entry(3, NOW + 600, WRITER, "put", "replaced", "ns/a"),
            entry(4, NOW + 700, WRITER, "put", "added", "ns/b"),
            entry(5, NOW + 750, ("sweeper", 11), "compare_and_erase", "refused", "ns/b")))
        self.assertEqual([(w["key"], w["gapNs"], w["times"]) for w in found],
                         [("ns/b", 50, 1), ("ns/a", 100, 2)])

    def test_a_file_given_twice_adds_nothing(self):
        both = audit(entry(1, NOW, WRITER, "put", "added", "ns/a"),
                     entry(2, NOW + 1, READER, "erase", "erased", "ns/a"))
        self.assertEqual(self.run_on(both, both)[1], self.run_on(both)[1])

    def test_a_panic_report_tells_windows_and_the_creator_of_its_task(self):
        at = "shard 3 bucket 17, task"
        report = {
            "task": {"id": 7, "name": "reflector pods", "createdBy": "daemon/m.cc:85"},
            "parties": [{"task": {"id": 9, "name": "pod state", "createdBy": "daemon/app.cc:60"}}],
            "mapAudit": [
                f"pods: put added ns/a, {at} reflector pods#7, at 3600.000000041 s, operation 4711",
                "pods: search for ns/a: shard 3 of 4, home 17 of 64, absent: [17]",
                f"pods: erase erased ns/a, {at} pod state#9, at 3600.000000040 s, operation 4710"]}
        for document in (report, {"total": 1, "panics": [report]}):
            _, found, _ = self.run_on(document)
            self.assertEqual([(w["gapNs"], w["sides"][0]["task"]["createdBy"],
                               w["sides"][1]["task"]["createdBy"]) for w in found],
                             [(1, "daemon/app.cc:60", "daemon/m.cc:85")])

    def test_what_is_no_audit_is_refused_by_its_name_and_fault(self):
        whole = entry(1, NOW, WRITER, "put", "added", "ns/a")
        taskless = {name: value for name, value in whole.items() if name != "task"}
        cases = [
            ("{", "is not JSON"), ("[]", "no JSON object"), ({}, "none of 'entries'"),
            (audit(mode="Off"), "is off"), ({"entries": []}, "no 'partition'"),
            (audit({**whole, "timeNs": "soon"}), "entry 0 of pods: 'timeNs' is \"soon\", not int"),
            (audit(taskless), "entry 0 of pods has no 'task'"),
            (audit({**whole, "timeNs": 0}), "has no time"), ({"panics": [{}]}, "no 'mapAudit'"),
            ({"mapAudit": ["pods: put added ns/a, shard 3 bucket 17, operation 1"], "task": {}},
             "no time")]
        for document, fault in cases:
            with self.subTest(fault=fault):
                code, found, err = self.run_on(document)
                self.assertEqual((code, found), (2, []))
                self.assertIn("0.json: ", err)
                self.assertIn(fault, err)
        code, _, err = self.run_files("no such file")
        self.assertEqual(code, 2)
        self.assertIn("no such file: No such file or directory", err)

    def test_a_recorded_run_has_each_window_that_comparing_all_with_all_finds(self):
        code, found, _ = self.run_files(RECORDED / "pods.json",
                                        arguments=["--tasks", str(RECORDED / "tasks.json")])
        self.assertEqual(code, 0)
        entries = json.loads((RECORDED / "pods.json").read_text(encoding="utf-8"))["entries"]
        expected = set()
        for one in entries:
            for other in entries:
                if (one["hash"] == other["hash"] and one["task"]["id"] < other["task"]["id"]
                        and abs(one["timeNs"] - other["timeNs"]) <= 1_000_000
                        and {one["operation"], other["operation"]} & {"put", "erase"}):
                    expected.add((one["key"], one["task"]["id"], other["task"]["id"]))
        self.assertEqual({(w["key"], *sorted(s["task"]["id"] for s in w["sides"])) for w in found},
                         expected)
        tightest = found[0]
        self.assertEqual((tightest["gapNs"], tightest["key"], tightest["bucket"]),
                         (10736, "team-00/fraud-hknqshxq4b-jdwxr", 0))
        self.assertEqual([side["task"]["createdBy"] for side in tightest["sides"]],
                         ["daemon/mirrors.cc:68", "pkg/runtime/controller.cc:77"])


POLICY = {
    "apiVersion": "podkeeper.dev/v1alpha1", "kind": "ConcurrentMapPolicy",
    "metadata": {"name": "audited"},
    "spec": {"strategy": "Sharded", "target": {"resources": ["pods"]},
             "audit": {"mode": "All", "ringEntries": 65536}}}


class LiveRun(unittest.TestCase):
    """podkeeperd beside its embedded cluster, whose pods come and go under an audit of all."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = subprocess.Popen(
            [PODKEEPERD, "--standalone", "--auth-mode=None", "--api-bind-address=127.0.0.1:0",
             "--metrics-bind-address=0", "--health-probe-bind-address=0",
             "--sim-bind-address=127.0.0.1:0", "--sim-pods=200", "--sim-churn=50"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end)
        cls.addresses = {}
        while not {"api", "simkube"} <= set(cls.addresses):
            line = cls.daemon.stderr.readline()
            if not line:
                raise RuntimeError("podkeeperd ended before it listened")
            if re.search(r'msg="?listening', line):
                name = re.search(r'name="?(\w+)', line)[1]
                cls.addresses[name] = re.search(r'address="?([^" \n]+)', line)[1]

    @classmethod
    def end(cls):
        cls.daemon.stderr.close()
        cls.daemon.terminate()
        cls.daemon.wait(timeout=30)

    @classmethod
    def ask(cls, name, path, body=None):
        request = urllib.request.Request(
            f"http://{cls.addresses[name]}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def test_the_reader_of_what_the_reflector_wrote_is_found(self):
        self.ask("simkube", "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies", POLICY)
        deadline = time.monotonic() + 120
        seen = ""
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.HTTPError):  # until the partition is there
                seen = self.ask("api", "/debug/maps/pods~audited/audit?limit=65536")
                if sum(e["operation"] == "put" for e in seen["entries"]) >= 20:
                    break
            time.sleep(0.2)
        tasks = self.ask("api", "/debug/tasks")
        _, found, err = RaceWindows().run_on(seen, tasks=tasks, arguments=["--window=60s"])
        self.assertTrue(found, f"{err}{json.dumps(seen)[:2000]}")
        gaps = [window["gapNs"] for window in found]
        self.assertEqual(gaps, sorted(gaps))
        for window in found:
            first, second = window["sides"]
            self.assertNotEqual(first["task"]["id"], second["task"]["id"])
            self.assertTrue({first["operation"], second["operation"]} & set(race_windows.WRITES))
            self.assertEqual(second["timeNs"] - first["timeNs"], window["gapNs"])
        creators = {side["task"]["createdBy"] for window in found for side in window["sides"]}
        self.assertTrue(any(creator.startswith("daemon/") for creator in creators), creators)


if __name__ == "__main__":
    PODKEEPERD = sys.argv.pop(1)
    unittest.main()
