"""A bad network between podkeeperd and a real server: slow, narrow, cut at any byte, clogged, half
open. It catches up, loses nothing, and says what happened."""

import unittest

from cluster import Cluster
from compare import wait_equal
from objects import new_pod
from proxy import FaultProxy
from record import record_fault
from replica import replica, wait_ready

from support import get, wait_for

PODS = 40
PATH = "/api/v1/namespaces/default/pods"
# Where in the server's bytes a connection is cut: amid the handshake, its end, a head, a body.
CUTS = (1, 5, 90, 700, 1200, 1500, 1900, 2500, 4000, 9000)
MIRRORED = ("/api/v1/pods", "/api/v1/nodes")


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.must("create", "serviceaccount", "default", "--namespace=default")
        cls.made = 0
        for _ in range(PODS):
            cls.make_pod()

    @classmethod
    def make_pod(cls):
        cls.made += 1
        name = f"pod-{cls.made}"
        status, answer, _ = cls.cluster.client.ask("POST", PATH, new_pod("default", name, ""))
        assert status == 201, answer
        return f"{PATH}/{name}"

    def setUp(self):
        self.proxy = self.enterContext(FaultProxy(self.cluster.url))

    def through(self, *flags):
        """podkeeperd, with the proxy before the server."""
        text = open(self.cluster.path("admin.kubeconfig"), encoding="utf-8").read()
        path = self.cluster.path("proxied.kubeconfig")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(self.cluster.url, self.proxy.url))
        return replica(self.cluster, *flags, kubeconfig=path)

    def check_equal(self, daemon):
        for path in MIRRORED:
            wait_equal(self.cluster, daemon, path)

    def wait_seen(self, daemon, path):
        seen = lambda: get(daemon.api + path)[0] == 200
        wait_for(lambda: f"{path} seen: {daemon.log()}", seen)

    def test_a_round_trip_of_half_a_second(self):
        self.proxy.delay_s = 0.25
        with self.through() as daemon:
            wait_ready(daemon)
            self.wait_seen(daemon, self.make_pod())
            self.check_equal(daemon)
            self.assertEqual(daemon.metric("podkeeper_reflector_relists_total"), 0)

    def test_a_megabit_a_second(self):
        self.proxy.bytes_per_s = 125_000
        with self.through() as daemon:
            wait_ready(daemon)
            self.wait_seen(daemon, self.make_pod())
            self.check_equal(daemon)
            self.assertEqual(daemon.metric("podkeeper_reflector_relists_total"), 0)

    def test_cuts_at_any_byte(self):
        for after in CUTS:
            with self.subTest(after=after):
                cuts = self.proxy.cuts
                self.proxy.cut_next(after, after + 1)
                with self.through() as daemon:
                    wait_ready(daemon)
                    self.check_equal(daemon)
                    # Where fewer bytes come the second is cut later, or never.
                    self.assertGreater(self.proxy.cuts, cuts)
                    daemon.says("upstream failed, trying again|watch broke, going on")
        record_fault(
            *(82, self, "cut at any byte, amid the handshake too: tries again, loses nothing"),
            "log: upstream failed, trying again; watch broke, going on; equal lists",
        )

    def test_cuts_of_running_watches_lose_nothing_and_need_no_list(self):
        with self.through() as daemon:
            wait_ready(daemon)
            for _ in range(3):
                wait_for("connections", lambda: self.proxy.connections() >= 2)
                self.assertGreaterEqual(self.proxy.cut(), 2)
                self.wait_seen(daemon, self.make_pod())
            self.check_equal(daemon)
            self.assertEqual(daemon.metric("podkeeper_reflector_relists_total"), 0)
            broken = daemon.metric("podkeeper_reflector_watches_total", result="error")
            self.assertGreaterEqual(broken, 3)

    def test_half_of_the_connections_clogged_then_the_other_half(self):
        with self.through("--watch-idle-timeout=5s") as daemon:
            wait_ready(daemon)
            for _ in range(4):
                self.proxy.clog(0.5)
                self.wait_seen(daemon, self.make_pod())
                self.proxy.unclog()
            self.check_equal(daemon)
        record_fault(
            *(82, self, "half of the connections clogged: goes on by new ones, nothing is lost"),
            "log: no byte for 5 s; equal lists",
        )

    def test_a_half_open_connection_is_noticed(self):
        with self.through("--watch-idle-timeout=5s") as daemon:
            wait_ready(daemon)
            wait_for("connections", lambda: self.proxy.connections() >= 2)
            self.assertGreaterEqual(self.proxy.half_open(), 2)
            self.wait_seen(daemon, self.make_pod())
            daemon.says("no byte for 5 s")
            self.check_equal(daemon)

    def test_a_server_that_is_killed_and_comes_back(self):
        with self.through() as daemon:
            wait_ready(daemon)
            self.cluster.restart_apiserver()
            self.wait_seen(daemon, self.make_pod())
            self.check_equal(daemon)
