#!/usr/bin/env python3
"""podkeeperd --supervise: what a fatal signal costs clients, what is told of it, and how it is
ended. Rows 41, 46, 47 and 50 of the fault catalogue.

    crash_test.py PODKEEPERD SIMKUBE
"""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "faults")]
import process_test as process  # noqa: E402  (its folder is no package)
from process_test import LIMIT, Daemon, start_simkube, until  # noqa: E402
from record import record_fault  # noqa: E402

LOOP_CRASHES = 5


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


class Connects:
    """Connects to the API all the time; `refused` counts what nobody listened for."""

    def __init__(self, daemon):
        host, port = daemon.api.split(":")
        self.address, self.made, self.refused = (host, int(port)), 0, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.wait(0.005):
            try:
                socket.create_connection(self.address, LIMIT).close()
                self.made += 1
            except ConnectionRefusedError:
                self.refused += 1

    def end(self):
        self.ended.set()
        self.thread.join(LIMIT)


class Supervised(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simkube, cls.upstream = start_simkube("--pods=400", "--churn=0")
        cls.addClassCleanup(cls.simkube.kill)

    def start(self, *flags):
        daemon = Daemon(f"--apiserver=http://{self.upstream}", "--supervise",
                        "--enable-debug-panic", "--worker-threads=2", *flags)
        self.addCleanup(daemon.kill)
        return daemon.wait_ready()

    def child(self, daemon):
        return until(lambda: children(daemon.process.pid), "it serves", daemon.process)[0]

    def wait_restarts(self, daemon, count):
        def there():
            try:
                return daemon.metric("podkeeper_restarts_total") == count
            except (OSError, http.client.HTTPException):
                return False  # the one that crashes had taken the connection
        until(there, "another serves", daemon.process)

    def crash(self, daemon, kind):
        """How long it took from the request that crashes it to the next process that is ready."""
        restarts = daemon.metric("podkeeper_restarts_total")
        began = time.monotonic()
        daemon.try_post(f"/debug/panic?kind={kind}")
        self.wait_restarts(daemon, restarts + 1)
        daemon.wait_ready()
        return time.monotonic() - began

    def crash_in_a_row(self, daemon, count):
        for number in range(count):
            self.wait_restarts(daemon, number)  # it serves: its handlers are there
            os.kill(self.child(daemon), signal.SIGSEGV)
            until(lambda: len(self.logged(daemon, "crashed, starting again")) == number + 1,
                  f"crash {number + 1} is told of", daemon.process)

    def crashes(self, daemon):
        return json.loads(daemon.get("/debug/crashes")[1])

    def logged(self, daemon, message):
        lines = [json.loads(line) for line in list(daemon.lines) if line.startswith("{")]
        return [line for line in lines if line["msg"] == message]

    def test_a_fault_is_told_of_and_clients_wait_for_the_next_process(self):
        daemon = self.start()
        connects = Connects(daemon)
        recovered = self.crash(daemon, "segv")
        connects.end()
        self.assertEqual(connects.refused, 0)
        self.assertGreater(connects.made, 0)
        crash, = self.crashes(daemon)["crashes"]
        self.assertEqual((crash["signal"], crash["address"]), ("SIGSEGV", "0x40"))
        self.assertTrue(crash["task"]["name"].startswith("http/api/"), crash["task"])
        self.assertTrue(any("serve_panic" in frame for frame in crash["stack"]), crash["stack"])
        line, = self.logged(daemon, "crashed")
        self.assertRegex(line["buildId"], "^[0-9a-f]{16,40}$")
        self.assertRegex(line["stack"], r"^exe\+0x[0-9a-f]+ ")
        self.assertEqual(daemon.metric('podkeeper_crashes_total{signal="SIGSEGV"}'), 1)
        pods = json.loads(daemon.get("/api/v1/pods")[1])["items"]
        states = json.loads(daemon.get("/state/v1/pods")[1])["items"]
        self.assertEqual(len(pods), len(states))
        record_fault(46, self, "its report has the build, the fault and the stack; the next "
                     "process serves from the same sockets, and no connection is refused",
                     'podkeeper_crashes_total{signal="SIGSEGV"}, /debug/crashes', recovered)

    def test_an_overflow_of_the_stack_is_told_of(self):
        daemon = self.start()
        recovered = self.crash(daemon, "overflow")
        crash, = self.crashes(daemon)["crashes"]
        self.assertEqual(crash["signal"], "SIGSEGV")
        self.assertTrue(all("recurse(int)" in frame for frame in crash["stack"][:20]))
        record_fault(47, self, "reported as any other crash, from a stack of the handler's own",
                     "/debug/crashes, log: crashed", recovered)

    def test_a_throw_while_another_unwinds_is_told_of_by_its_text(self):
        daemon = self.start()
        recovered = self.crash(daemon, "terminate")
        crash, = self.crashes(daemon)["crashes"]
        self.assertEqual(crash["signal"], "SIGABRT")
        self.assertEqual(crash["reason"],
                         "std::terminate: std::runtime_error: deliberate, while unwinding")
        record_fault(41, self, "a crash report with the exception's type and text; another process "
                     "takes over", 'podkeeper_crashes_total{signal="SIGABRT"}, /debug/crashes',
                     recovered)

    def test_what_is_killed_is_replaced_though_it_could_tell_nothing(self):
        daemon = self.start()
        os.kill(self.child(daemon), signal.SIGKILL)
        self.wait_restarts(daemon, 1)
        crash, = self.crashes(daemon)["crashes"]
        self.assertEqual((crash["signal"], "stack" in crash), ("SIGKILL", False))

    def test_a_crash_loop_waits_says_so_and_keeps_the_last_report(self):
        daemon = self.start()
        self.crash_in_a_row(daemon, LOOP_CRASHES)
        told = self.logged(daemon, "crashed, starting again")
        self.assertEqual([line["waitSeconds"] for line in told], [0, 0, 0, 0, 1])
        self.wait_restarts(daemon, LOOP_CRASHES)
        for path in ("/healthz", "/readyz"):
            status, body = daemon.get(path, daemon.health)
            self.assertEqual(status, 500, body)
            self.assertIn("[-]crash-loop failed", body)
        self.assertEqual(daemon.get("/livez", daemon.health)[0], 200)
        crashes = self.crashes(daemon)
        self.assertTrue(crashes["crashLoop"])
        self.assertEqual(len(crashes["crashes"]), LOOP_CRASHES)
        self.assertIn("stack", crashes["crashes"][0])
        record_fault(50, self, "from the fifth on starts are 1, 2, 4, ... 30 s apart; /healthz and "
                     "/readyz fail for a minute; the reports are served",
                     "/readyz: crash-loop, /debug/crashes", 60)

    def test_sigterm_while_a_crash_loop_waits_ends_it_at_once(self):
        daemon = self.start()
        self.crash_in_a_row(daemon, LOOP_CRASHES + 1)
        self.assertEqual(children(daemon.process.pid), [])
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(LIMIT), 128 + signal.SIGTERM)

    def test_sigterm_drains_and_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start()
            child = self.child(daemon)
            daemon.process.send_signal(number)
            self.assertEqual(daemon.process.wait(LIMIT), 0)
            self.assertFalse(pathlib.Path(f"/proc/{child}").exists())
            self.assertEqual(self.logged(daemon, "ended")[0]["exitCode"], 0)

    def test_a_signal_to_the_whole_group_counts_once_and_a_second_one_twice(self):
        daemon = self.start()
        for pid in (self.child(daemon), daemon.process.pid):
            os.kill(pid, signal.SIGINT)
        self.assertEqual(daemon.process.wait(LIMIT), 0)
        daemon = self.start("--shutdown-grace-period=60s")
        held = daemon.hold()
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: self.logged(daemon, "shutting down"), "it drains", daemon.process)
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(LIMIT), 128 + signal.SIGTERM)
        held.join(LIMIT)

    def test_the_process_that_serves_ends_with_its_supervisor(self):
        daemon = self.start()
        child = self.child(daemon)
        daemon.process.kill()
        daemon.process.wait(LIMIT)

        def gone():
            try:
                state = pathlib.Path(f"/proc/{child}/stat").read_text()
            except FileNotFoundError:
                return True
            return re.search(r"\) (\S)", state).group(1) == "Z"
        until(gone, "the child ends")

    def test_what_cannot_start_is_not_tried_again(self):
        daemon = process.Program(process.PODKEEPERD, "--supervise", "--auth-mode=None",
                                 "--apiserver=http://127.0.0.1:1",
                                 "--api-bind-address=203.0.113.1:80", "--logging-format=json")
        self.addCleanup(daemon.kill)
        self.assertEqual(daemon.process.wait(LIMIT), 1)


if __name__ == "__main__":
    process.PODKEEPERD, process.SIMKUBE = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
