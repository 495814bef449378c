"""What podkeeperd promises of how current its answers are, against a real server: a linearizable
read shows what was written before it, at a cost upstream that readers share; what cannot be proven
is refused."""

import concurrent.futures
import contextlib
import json
import re
import threading
import time
import unittest
import urllib.error
import urllib.request

from cluster import Cluster
from replica import replica, wait_ready

from support import get_json, wait_for

WRITES = 200
READERS = 4
NAMESPACE = "truth"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
REFUSED_LIMIT_S = 10


def ask(url):
    """(status, body as JSON, headers), whatever the status is."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def metric(daemon, pattern):
    """The sum of the samples whose name and labels match."""
    with urllib.request.urlopen(daemon.api + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE)
    return sum(float(value) for value in found)


def pod(name, value):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": {"n": value}},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/e2e:v1"}]},
    }


@contextlib.contextmanager
def readers(url, count):
    """Reads the URL all the time by so many threads; gives the list of the answers' statuses."""
    done, statuses = threading.Event(), []

    def read():
        while not done.is_set():
            statuses.append(ask(url)[0])

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        reading = [pool.submit(read) for _ in range(count)]
        try:
            yield statuses
        finally:
            done.set()
        for one in reading:
            one.result()


class Truth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.create_namespace(NAMESPACE)
        cls.replica = cls.enterClassContext(
            replica(cls.cluster, "--kube-api-qps=1000", "--kube-api-burst=1000")
        )
        wait_ready(cls.replica)

    def write(self, method, path, body, content_type="application/json"):
        status, answer, _ = self.cluster.client.ask(method, path, body, content_type)
        self.assertIn(status, (200, 201), answer)
        return answer

    def test_a_linearizable_read_sees_each_write_before_it(self):
        self.write("POST", PODS, pod("written", "0"))
        linearizable = f"{self.replica.api}{PODS}?consistency=linearizable"
        with readers(linearizable, READERS) as statuses:
            for number in range(1, WRITES + 1):
                patch = {"metadata": {"annotations": {"n": str(number)}}}
                written = self.write(
                    "PATCH", f"{PODS}/written", patch, "application/merge-patch+json"
                )
                status, answer, headers = ask(
                    f"{self.replica.api}{PODS}/written?consistency=linearizable"
                )
                self.assertEqual(status, 200, answer)
                self.assertEqual(answer["metadata"]["annotations"]["n"], str(number))
                self.assertEqual(headers["Podkeeper-Consistency"], "linearizable")
                revision = int(written["metadata"]["resourceVersion"])
                self.assertGreaterEqual(int(headers["Podkeeper-Revision"]), revision)
        self.assertEqual(set(statuses), {200})
        reads = metric(
            self.replica,
            r'podkeeper_consistency_reads_total{consistency="linearizable",resource="pods",'
            r'result="met"}',
        )
        probes = metric(self.replica, r'podkeeper_consistency_probes_total{resource="pods",.*}')
        self.assertGreaterEqual(reads, WRITES + len(statuses))
        self.assertLess(probes, reads, "readers share what is asked upstream")
        print(f"{reads:.0f} linearizable reads, {probes:.0f} probes upstream")

    def test_kubectls_write_is_in_the_next_linearizable_list(self):
        for number in range(10):
            name = f"applied-{number}"
            self.cluster.must("apply", "-f", "-", stdin=json.dumps(pod(name, "0")))
            status, answer, _ = ask(f"{self.replica.api}{PODS}?consistency=linearizable")
            self.assertEqual(status, 200, answer)
            self.assertIn(name, {item["metadata"]["name"] for item in answer["items"]})
            states = get_json(f"{self.replica.api}/state/v1/pods?consistency=linearizable")
            self.assertIn(name, {item["name"] for item in states["items"]})

    def test_a_quiet_resource_is_proven_in_a_busy_cluster(self):
        proven = 0
        for number in range(3):
            self.cluster.must("create", "configmap", f"busy-{number}", "--namespace", NAMESPACE)
            begun = time.monotonic()
            status, answer, headers = ask(f"{self.replica.api}/api/v1/nodes?consistency=snapshot")
            self.assertEqual(status, 200, answer)
            took_ms = (time.monotonic() - begun) * 1000
            self.assertLess(took_ms, REFUSED_LIMIT_S * 1000)
            if "Podkeeper-Forwarded" not in headers:
                proven += 1
                # Proven to be so young when the read came; it grew older until it was answered.
                self.assertLessEqual(int(headers["Podkeeper-Age-Ms"]), 500 + took_ms)
        # A server that is slow for a moment may cost one of them its proof.
        self.assertGreaterEqual(proven, 2, "a second watch proves it")

    def test_a_revision_that_nobody_has_reached_is_refused_as_upstream_does(self):
        begun = time.monotonic()
        status, answer, headers = ask(f"{self.replica.api}{PODS}?minRevision=999999999999")
        self.assertEqual(status, 504)
        self.assertGreaterEqual(time.monotonic() - begun, 2.9)
        self.assertEqual(answer["details"]["causes"][0]["reason"], "ResourceVersionTooLarge")
        self.assertEqual(headers["Retry-After"], "1")

    def test_the_self_audit_finds_nothing_wrong(self):
        daemon = self.enterContext(replica(self.cluster, "--audit-interval=1s"))
        wait_ready(daemon)
        for number in range(20):
            self.write("POST", PODS, pod(f"audited-{number}", "0"))
            time.sleep(0.2)
        for resource in ("pods", "nodes"):
            label = f'{{resource="{resource}"}}'
            self.assertGreater(metric(daemon, f"podkeeper_store_audit_runs_total{label}"), 0)
            found = metric(daemon, f"podkeeper_store_audit_divergent_objects_total{label}")
            self.assertEqual(found, 0)

    def test_what_cannot_be_proven_is_504_and_the_rest_is_served(self):
        with self.cluster.frozen_apiserver():
            for path in (PODS, "/state/v1/pods"):
                begun = time.monotonic()
                status, _, headers = ask(f"{self.replica.api}{path}?consistency=linearizable")
                self.assertEqual(status, 504)
                self.assertLess(time.monotonic() - begun, REFUSED_LIMIT_S)
                self.assertEqual(headers["Retry-After"], "1")
            status, _, headers = ask(f"{self.replica.api}{PODS}")
            self.assertEqual(status, 200)
            self.assertEqual(headers["Podkeeper-Consistency"], "eventual")
        proven = lambda: ask(f"{self.replica.api}{PODS}?consistency=linearizable")[0] == 200
        wait_for("what is proven again", proven)
