#!/usr/bin/env python3
"""podkeeperd as a process: how it ends under load, how it comes back, and what it tells of a thread
that is stuck.

    process_test.py PODKEEPERD SIMKUBE
"""

import http.client
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/faults"))
from record import record_fault  # noqa: E402  (its folder is no package)

PODKEEPERD = SIMKUBE = ""
LIMIT = 120  # seconds; nothing here takes a tenth of it on a calm machine
GRACE = 30   # seconds, of --shutdown-grace-period


class Program:
    """A program of ours that runs; what it says by line."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Daemon(Program):
    """podkeeperd on ports of the kernel's choice, with a cluster of its own unless told of one."""

    def __init__(self, *flags):
        cluster = ["--auth-mode=None"]
        if not any(flag.startswith("--apiserver") for flag in flags):
            cluster = ["--standalone", "--sim-churn=50", "--sim-pods=400"]
        super().__init__(PODKEEPERD, "--api-bind-address=127.0.0.1:0",
                         "--metrics-bind-address=127.0.0.1:0",
                         "--health-probe-bind-address=127.0.0.1:0", "--logging-format=json",
                         *cluster, *flags)
        self.api = self.address("api")
        self.health = self.address("health")
        self.metrics = self.address("metrics")

    def address(self, name):
        def found():
            for line in list(self.lines):
                if '"listening"' in line and f'"{name}"' in line:
                    return re.search(r'"address":"([^"]+)"', line).group(1)
            return None
        return until(found, f"{name} listens", self.process)

    def get(self, path, address=None):
        """(status, body)."""
        try:
            with urllib.request.urlopen(f"http://{address or self.api}{path}", timeout=LIMIT) as r:
                return r.status, r.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def try_post(self, path):
        """The answer may not come: the request ends the process."""
        host, port = self.api.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=LIMIT)
        try:
            connection.request("POST", path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def hold(self):
        """A thread whose request is under way, and would be for a minute."""
        held = threading.Thread(target=self.try_post,
                                args=("/debug/panic?kind=stall&seconds=60",))
        held.start()
        until(lambda: "serve_panic" in self.get("/debug/threads")[1], "it is under way")
        return held

    def wait_ready(self):
        until(lambda: self.get("/readyz", self.health)[0] == 200, "ready", self.process)
        return self

    def metric(self, name):
        text = self.get("/metrics", self.metrics)[1]
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(found.group(1)) if found else 0.0


def until(holds, what, process=None):
    """What `holds` gives once it is true."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        value = holds()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} before: {what}")
        time.sleep(0.01)
    raise AssertionError(f"not within {LIMIT} s: {what}")


def start_simkube(*flags):
    """A cluster of its own, and its address."""
    simkube = Program(SIMKUBE, "--bind-address=127.0.0.1:0", *flags)
    line = until(lambda: next((x for x in list(simkube.lines) if "listening" in x), None),
                 "simkube listens", simkube.process)
    return simkube, re.search(r"127\.0\.0\.1:\d+", line).group(0)


class Load:
    """Clients that list and one that watches until the daemon is gone."""

    def __init__(self, daemon):
        self.host, port = daemon.api.split(":")
        self.port = int(port)
        self.answers = []   # (when it was asked, status or what went wrong)
        self.watch_ended_well = None
        self.watch_lines = 0
        self.threads = [threading.Thread(target=self._read, daemon=True) for _ in range(4)]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self.threads:
            thread.start()
        until(lambda: len(self.answers) > 20 and self.watch_lines > 0, "the load is on")

    def _read(self):
        while True:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
            try:
                connection.connect()
            except OSError:
                return  # nobody listens any more
            try:
                connection.request("GET", "/api/v1/pods")
                response = connection.getresponse()
                response.read()
                self.answers.append(response.status)
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(repr(error))
            finally:
                connection.close()

    def _watch(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
        connection.request("GET", "/api/v1/pods?watch=true")
        response = connection.getresponse()
        try:
            while response.readline():
                self.watch_lines += 1
            self.watch_ended_well = True  # readline() raises where the last chunk is missing
        except (OSError, http.client.HTTPException):
            self.watch_ended_well = False
        finally:
            connection.close()

    def join(self):
        for thread in self.threads:
            thread.join(LIMIT)


class Process(unittest.TestCase):
    def start(self, *flags):
        daemon = Daemon(*flags)
        self.addCleanup(daemon.kill)
        return daemon.wait_ready()

    def test_sigterm_under_load_drains_and_ends_with_0(self):
        daemon = self.start(f"--shutdown-grace-period={GRACE}s")
        load = Load(daemon)
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.process.wait(LIMIT)
        took = time.monotonic() - began
        load.join()
        self.assertEqual(code, 0)
        self.assertLess(took, GRACE)
        self.assertTrue(load.watch_ended_well, "the stream ended without its last chunk")
        # What was accepted before is answered; who comes too late finds nobody, or is cut unasked.
        wrong = [a for a in load.answers
                 if a != 200 and not re.search("Reset|RemoteDisconnected|BrokenPipe", str(a))]
        self.assertEqual(wrong, [])
        record_fault(80, self, "readiness fails first, requests under way are answered, streams "
                     "end with their last chunk, exit 0 within the grace period",
                     "\"shutting down\" in the log, exit code", took)

    def test_readiness_fails_first_while_a_request_is_still_under_way(self):
        daemon = self.start(f"--shutdown-grace-period={GRACE}s", "--enable-debug-panic",
                            "--worker-threads=2")
        held = threading.Thread(
            target=lambda: self.answers.append(
                urllib.request.urlopen(urllib.request.Request(
                    f"http://{daemon.api}/debug/panic?kind=stall&seconds=3", method="POST"),
                    timeout=LIMIT).status))
        self.answers = []
        held.start()
        until(lambda: "serve_panic" in daemon.get("/debug/threads")[1], "it is under way")
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: daemon.get("/readyz", daemon.health)[0] == 500, "not ready")
        self.assertEqual(self.answers, [], "the request was over before readiness failed")
        self.assertEqual(daemon.process.wait(LIMIT), 0)
        held.join(LIMIT)
        self.assertEqual(self.answers, [200])

    def test_a_second_signal_ends_it_at_once(self):
        daemon = self.start(f"--shutdown-grace-period={GRACE}s", "--enable-debug-panic",
                            "--worker-threads=2")
        held = daemon.hold()
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: any('"shutting down"' in line for line in list(daemon.lines)), "it drains")
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(LIMIT), 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - began, GRACE)
        held.join(LIMIT)

    def test_a_stuck_thread_is_told_of_with_its_stack(self):
        daemon = self.start("--watchdog-timeout=500ms", "--enable-debug-panic",
                            "--worker-threads=2")
        held = threading.Thread(target=lambda: urllib.request.urlopen(urllib.request.Request(
            f"http://{daemon.api}/debug/panic?kind=stall&seconds=8", method="POST"),
            timeout=LIMIT).close())
        held.start()
        until(lambda: daemon.metric("podkeeper_watchdog_stalls_total") >= 1, "it is noticed")
        until(lambda: daemon.get("/livez", daemon.health)[0] == 500, "it fails liveness")
        held.join(LIMIT)
        until(lambda: daemon.get("/livez", daemon.health)[0] == 200, "it is alive again")
        last = json.loads(daemon.get("/debug/threads")[1])["lastStall"]
        stacks = [" ".join(thread["stack"]) for thread in last["threads"]]
        self.assertTrue(any("serve_panic" in stack for stack in stacks), stacks)
        self.assertGreaterEqual(len(stacks), 3)
        lines = list(daemon.lines)
        self.assertTrue(any('"io_thread_stalled"' in line for line in lines))
        self.assertTrue(any('"thread_stack"' in line and "serve_panic" in line for line in lines))
        record_fault(51, self, "the stacks of all threads are logged and kept, /livez fails until "
                     "the thread goes on", "podkeeper_watchdog_stalls_total, io_thread_stalled")

    def test_killed_under_load_it_comes_back_as_a_fresh_start(self):
        simkube, upstream = start_simkube("--pods=400", "--churn=100", "--churn-for=10s")
        self.addCleanup(simkube.kill)
        for _ in range(4):
            daemon = self.start(f"--apiserver=http://{upstream}")
            load = Load(daemon)
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait(LIMIT)
            load.join()
        began = time.monotonic()
        daemon = self.start(f"--apiserver=http://{upstream}")
        recovered = time.monotonic() - began

        def pods(address):
            items = json.loads(daemon.get("/api/v1/pods", address)[1])["items"]
            return {pod["metadata"]["uid"]: pod for pod in items}
        until(lambda: pods(upstream) == pods(None), "the replica equals the cluster")
        states = json.loads(daemon.get("/state/v1/pods")[1])["items"]
        self.assertEqual({state["uid"] for state in states}, set(pods(upstream)))
        record_fault(81, self, "each start serves what the cluster holds, each pod with its state "
                     "(200 kills at random points: scripts/prove kill)", "/readyz, LIST",
                     recovered)


if __name__ == "__main__":
    PODKEEPERD, SIMKUBE = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
