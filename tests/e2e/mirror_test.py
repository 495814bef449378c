"""podkeeperd mirrors a real server of 10,000 pods and 500 nodes: the same objects, also after
changes, watched by kubectl, governed by policies."""

import concurrent.futures
import os
import unittest

import yaml

from cluster import POLICIES, WITH_US, Client, Cluster, ROOT, running
from compare import wait_equal
from objects import UNGRACEFUL, new_pod
from replica import replica, wait_ready


WRITERS = 4
CHANGED = 500
SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"


class Mirror(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(loaded=True)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        cls.replica = cls.enterClassContext(replica(cls.cluster))
        wait_ready(cls.replica)

    def assert_equal_lists(self, path):
        """The replica's objects become those that the server lists now; gives their number."""
        return len(wait_equal(self.cluster, self.replica, path))

    def in_parallel(self, requests):
        """Sends (method, path, body, content type) over a few connections, each in its order."""

        def send(part):
            client = Client(self.cluster)
            return [client.ask(*request)[0] for request in part]

        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            parts = [requests[i::WRITERS] for i in range(WRITERS)]
            return {status for statuses in pool.map(send, parts) for status in statuses}

    def test_its_lists_are_the_servers(self):
        self.assertGreaterEqual(self.assert_equal_lists("/api/v1/pods"), 10000)
        self.assertEqual(self.assert_equal_lists("/api/v1/nodes"), 500)
        namespace = "/api/v1/namespaces/team-00/pods"
        self.assertGreater(self.assert_equal_lists(namespace), 0)

    def test_they_stay_the_servers_while_pods_come_change_and_go(self):
        pods = "/api/v1/namespaces/team-01/pods"
        old = [p["metadata"]["name"] for p in self.cluster.client.get(pods)["items"]]
        half = CHANGED // 2
        self.assertGreaterEqual(len(old), CHANGED - half)
        node = self.cluster.client.get("/api/v1/nodes?limit=1")["items"][0]["metadata"]["name"]
        new = [f"e2e-{i:03}" for i in range(CHANGED)]
        patch = {"status": {"phase": "Running", "message": "changed", "reason": "Test"}}
        merge = "application/merge-patch+json"
        creates = [("POST", pods, new_pod("team-01", name, node)) for name in new]
        patches = [
            ("PATCH", f"{pods}/{name}/status", patch, merge) for name in new[:half] + old[:half]
        ]
        deletes = [
            ("DELETE", f"{pods}/{name}", UNGRACEFUL) for name in new[half:] + old[-half:]
        ]
        self.assertEqual(self.in_parallel(creates), {201})
        self.assertEqual(self.in_parallel(patches), {200})
        self.assertEqual(self.in_parallel(deletes), {200})
        self.assertEqual(self.assert_equal_lists(pods), len(old) + half - half)
        self.assert_equal_lists("/api/v1/pods")

    def test_kubectl_watches_through_it(self):
        command = (
            *("kubectl", "-s", self.replica.api, "get", "pods", "--namespace", "team-02"),
            *("--watch", "--output-watch-events"),
        )
        pods = "/api/v1/namespaces/team-02/pods"
        with running(*WITH_US, *command, env={"KUBECONFIG": os.devnull}) as watching:
            status, answer, _ = self.cluster.client.ask(
                "POST", pods, new_pod("team-02", "e2e-watched", "")
            )
            self.assertEqual(status, 201, answer)
            watching.wait_for_line(r"ADDED\s+e2e-watched")
            status, answer, _ = self.cluster.client.ask(
                "DELETE", f"{pods}/e2e-watched", UNGRACEFUL
            )
            self.assertEqual(status, 200, answer)
            watching.wait_for_line(r"DELETED\s+e2e-watched")

    def test_a_policy_becomes_ready_and_kubectl_shows_it(self):
        self.cluster.must("apply", "-f", str(SAMPLE))
        name = yaml.safe_load(SAMPLE.read_text())["metadata"]["name"]
        self.cluster.must(
            *("wait", "--for=condition=Ready", "--timeout=60s", f"concurrentmappolicy/{name}")
        )
        policy = self.cluster.client.get(f"{POLICIES}/{name}")
        for condition in policy["status"]["conditions"]:
            self.assertEqual(condition["observedGeneration"], policy["metadata"]["generation"])
            self.assertTrue(condition["reason"] and condition["lastTransitionTime"], condition)
        table = self.cluster.must("get", "cmpol").splitlines()
        self.assertRegex(table[0], r"^NAME +STRATEGY +ACTIVE +READY +ENTRIES +AGE")
        self.assertRegex(table[1], rf"^{name} +Mutex +Mutex +True +\d+ ")
