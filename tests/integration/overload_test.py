#!/usr/bin/env python3
"""podkeeperd near its memory limit, row 75 of the fault catalogue: what it refuses and in which
order, and that it serves again once there is memory.

    overload_test.py PODKEEPERD SIMKUBE

The ballast is in the mirror: ConfigMaps that are written upstream until enough of the limit is in
use. The limit is --memory-limit, so that no rights on cgroups are needed.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import sys
import time
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "faults")]
import process_test as process  # noqa: E402  (its folder is no package)
from process_test import LIMIT, Daemon, start_simkube, until  # noqa: E402
from record import record_fault  # noqa: E402

ROOM = 64 << 20           # bytes between what it uses at rest and its limit
BALLAST = "x" * (256 << 10)  # of one ConfigMap
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
EVICTED = 'podkeeper_overload_actions_total{action="evict_slow"}'


def resident(daemon):
    """Bytes, as the kernel counts them."""
    pages = pathlib.Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Ballast:
    """ConfigMaps of a cluster, as many as a test wants."""

    def __init__(self, upstream):
        self.connection = http.client.HTTPConnection(upstream, timeout=LIMIT)
        self.count = 0
        self.revision = None

    def _send(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None,
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        assert response.status in (200, 201), (response.status, text[:200])
        return json.loads(text)

    def _config_map(self, number):
        return {"apiVersion": "v1", "kind": "ConfigMap", "data": {"ballast": BALLAST},
                "metadata": {"name": f"ballast-{number}", "namespace": "default"}}

    def add(self):
        made = self._send("POST", CONFIG_MAPS, self._config_map(self.count))
        self.revision = made["metadata"]["resourceVersion"]
        self.count += 1

    def change(self, turn):
        """One more event as large as a ConfigMap, and no more objects."""
        changed = self._config_map(0)
        changed["metadata"]["labels"] = {"turn": str(turn)}
        self._send("PUT", f"{CONFIG_MAPS}/ballast-0", changed)

    def clear(self):
        while self.count > 0:
            self.count -= 1
            self._send("DELETE", f"{CONFIG_MAPS}/ballast-{self.count}")


def watch_and_take_nothing(daemon, revision):
    """A client that asks for a stream and reads nothing of it."""
    host, port = daemon.api.split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    client.sendall(f"GET {CONFIG_MAPS}?watch=true&resourceVersion={revision} HTTP/1.1\r\n"
                   "Host: a\r\n\r\n".encode())
    return client


class Overload(unittest.TestCase):
    def setUp(self):
        # A sanitizer's allocator would keep what is freed for longer than this test runs.
        own = os.environ.get("ASAN_OPTIONS", "")
        os.environ["ASAN_OPTIONS"] = \
            own + ":quarantine_size_mb=1:allocator_release_to_os_interval_ms=100"
        self.addCleanup(os.environ.__setitem__, "ASAN_OPTIONS", own)
        simkube, self.upstream = start_simkube("--pods=100", "--churn=0")
        self.addCleanup(simkube.kill)

    def start(self, *flags):
        daemon = Daemon(f"--apiserver=http://{self.upstream}", "--audit-interval=0",
                        "--resources=pods,nodes,configmaps", "--history-bytes=1MiB", *flags)
        self.addCleanup(daemon.kill)
        return daemon.wait_ready()

    def state(self):
        return self.daemon.metric("podkeeper_overload_state")

    def fill(self, part, state):
        """Writes ballast until that part of the limit is in use and the state is told."""
        def there():
            if resident(self.daemon) < part * self.limit:
                self.ballast.add()
            return self.state() == state
        until(there, f"state {state} at {part} of the limit", self.daemon.process)

    def refused(self, part, state, path):
        """(status, Retry-After, body) in that state, which is filled up to again where the
        allocator has given memory back since."""
        def refusal():
            self.fill(part, state)
            try:
                urllib.request.urlopen(f"http://{self.daemon.api}{path}", timeout=LIMIT).close()
            except urllib.error.HTTPError as answer:
                with answer:
                    return answer.code, answer.headers["Retry-After"], answer.read().decode()
            return None
        return until(refusal, f"{path} is refused in state {state}", self.daemon.process)

    def test_lists_are_shed_then_slow_streams_cut_then_all_is_refused_until_there_is_room(self):
        at_rest = self.start()
        self.limit = resident(at_rest) + ROOM
        at_rest.kill()
        self.daemon = self.start(f"--memory-limit={self.limit}")
        self.ballast = Ballast(self.upstream)
        self.addCleanup(self.ballast.connection.close)
        self.ballast.add()
        self.assertEqual(self.state(), 0)

        code, retry_after, body = self.refused(0.83, 1, CONFIG_MAPS)
        self.assertEqual((code, retry_after), (429, "1"))
        self.assertEqual(json.loads(body)["reason"], "TooManyRequests")
        self.assertEqual(self.refused(0.83, 1, "/state/v1/pods")[0], 429)
        self.assertEqual(self.daemon.get(f"{CONFIG_MAPS}/ballast-0")[0], 200)
        self.assertEqual(self.daemon.get("/readyz", self.daemon.health)[0], 200)

        self.fill(0.92, 2)
        self.stall_until_evicted()

        code, retry_after, body = self.refused(0.97, 3, f"{CONFIG_MAPS}/ballast-0")
        self.assertEqual((code, retry_after), (503, "1"))
        self.assertIn("short of memory", body)
        self.assertEqual(self.daemon.get("/livez", self.daemon.health)[0], 200)
        until(self.unready, "the check memory fails", self.daemon.process)

        self.ballast.clear()
        began = time.monotonic()
        until(lambda: self.daemon.get("/api/v1/pods")[0] == 200, "lists are served again",
              self.daemon.process)
        recovered = time.monotonic() - began
        until(lambda: self.state() == 0, "the state is told", self.daemon.process)
        self.assertEqual(len(json.loads(self.daemon.get("/api/v1/pods")[1])["items"]), 100)
        told = [json.loads(x)["state"] for x in list(self.daemon.lines) if '"overload state"' in x]
        self.assertEqual(told[0], "shed_lists")
        self.assertEqual(told[-1], "normal")
        record_fault(75, self, "from 80 % on lists get 429, from 90 % on clients who take nothing "
                     "are cut, from 95 % on all get 503 but health and metrics; served again 5 "
                     "points below", "podkeeper_overload_state, podkeeper_overload_actions_total, "
                     "\"overload state\" in the log, check memory of /readyz", recovered)

    def unready(self):
        self.fill(0.97, 3)
        code, body = self.daemon.get("/readyz", self.daemon.health)
        return code == 500 and "[-]memory failed" in body

    def stall_until_evicted(self):
        """Streams whose client reads nothing fill up by changes until one is cut."""
        turn = 0

        def evicted():
            nonlocal turn
            if turn % 50 == 0:  # the one before may have met the deadline that all streams have
                client = watch_and_take_nothing(self.daemon, self.ballast.revision)
                self.addCleanup(client.close)
            turn += 1
            self.ballast.change(turn)
            return self.daemon.metric(EVICTED) > 0
        until(evicted, "a slow stream is cut", self.daemon.process)


if __name__ == "__main__":
    process.PODKEEPERD, process.SIMKUBE = sys.argv.pop(1), sys.argv.pop(1)
    unittest.main()
