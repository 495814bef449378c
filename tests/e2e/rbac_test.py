"""The rights that the chart grants, judged by a real server's RBAC: they are enough, none is idle,
and where one is missing podkeeperd says which."""

import contextlib
import json
import time

import yaml

from cluster import POLICIES, ROOT
from compare import wait_equal
from proxy import FaultProxy
from record import record_fault
from replica import wait_ready
from rights import NAMESPACE, ChartRights, Right, rights

from support import get, wait_for

SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"
NAME = yaml.safe_load(SAMPLE.read_text())["metadata"]["name"]
STRATEGIES = ("SyncMap", "Mutex")
FLIP_S = 3
NODE = "/api/v1/nodes/listed"
NOWHERE = "https://127.0.0.1:1"
MERGE_PATCH = "application/merge-patch+json"
# Ready while each mirror was proven within 15 s, by audits where nothing changes.
STALENESS = ("--watch-idle-timeout=15s", "--audit-interval=3s")


class Rights(ChartRights):
    def used(self):
        """The rights that were asked for and granted, by the server's audit log."""
        found = set()
        for line in self.audit.read_text().splitlines():
            entry = json.loads(line)
            what = entry.get("objectRef")
            decision = entry.get("annotations", {}).get("authorization.k8s.io/decision")
            if what and decision == "allow":
                parts = [what["resource"], *filter(None, [what.get("subresource")])]
                found.add(Right(what.get("apiGroup", ""), "/".join(parts), entry["verb"]))
        return found

    def new_policy(self):
        """One that nobody has told of yet; it and SyncMap get a status and Events."""
        self.cluster.must("delete", "--ignore-not-found", "-f", str(SAMPLE))
        self.cluster.must("apply", "-f", str(SAMPLE))
        with self.podkeeperd() as daemon:
            wait_ready(daemon)
            for strategy in STRATEGIES:
                self.change_policy(strategy)
                wait_for(lambda: f"Ready: {daemon.log()}", lambda: self.ready_with(strategy))

    def change_policy(self, strategy):
        patch = {"spec": {"strategy": strategy}}
        status, answer, _ = self.cluster.client.ask(
            "PATCH", f"{POLICIES}/{NAME}", patch, MERGE_PATCH
        )
        self.assertEqual(status, 200, answer)

    def ready_with(self, strategy):
        policy = self.cluster.client.get(f"{POLICIES}/{NAME}")
        conditions = policy.get("status", {}).get("conditions", [])
        ready = {c["type"]: c["status"] for c in conditions}.get("Ready") == "True"
        return ready and policy["status"]["activeStrategy"] == strategy

    def test_they_are_enough_and_none_is_idle(self):
        granted = {right for rules in self.roles.values() for right, _ in rights(rules)}
        self.new_policy()
        # What was told of already is counted up, which takes rights of its own.
        with self.podkeeperd() as daemon:
            if not self.flipping_until(daemon, lambda: granted <= self.used()):
                self.fail(f"granted and never used: {sorted(granted - self.used())}")
            self.assertNotRegex(daemon.process.output(), r"(?i)forbidden|\b403\b")

    def test_without_one_it_names_what_is_missing(self):
        self.new_policy()
        for role, rules in self.roles.items():
            self.addCleanup(self.grant, role, rules)
            for right, _ in rights(rules):
                with self.subTest(right=right):
                    # Whoever comes next makes a Lease and leads at once.
                    self.cluster.must(
                        *("delete", "lease", "podkeeper", "--ignore-not-found"),
                        f"--namespace={NAMESPACE}",
                    )
                    self.without(role, right)
                    with self.podkeeperd() as daemon:
                        told = self.flipping_until(daemon, lambda: self.named(daemon, right))
                        self.assertTrue(told, f"{right.rule()} is not in its log:\n{daemon.log()}")
            self.grant(role, rules)

    def test_one_that_is_taken_later_is_named_too_and_what_is_mirrored_is_served_on(self):
        role, rules = next(iter(self.roles.items()))
        self.addCleanup(self.grant, role, rules)
        watch = Right("", "pods", "watch")
        with FaultProxy(self.cluster.url) as proxy, self.podkeeperd(proxy.url) as daemon:
            wait_ready(daemon)
            self.without(role, watch)
            # A watch is authorized once, at its start.
            proxy.cut()
            wait_for(lambda: daemon.log(), lambda: self.named(daemon, watch))
            self.assertEqual(get(daemon.api + "/api/v1/pods")[0], 200)
            self.assertEqual(get(daemon.health + "/livez")[0], 200)
            self.assertEqual(daemon.metric("podkeeper_reflector_synced", resource="pods"), 0)
            self.grant(role, rules)
            synced = lambda: daemon.metric("podkeeper_reflector_synced", resource="pods") == 1
            wait_for("followed again", synced)

    def test_lists_that_are_forbidden_later_are_served_on_until_they_are_too_stale(self):
        role, rules = next(iter(self.roles.items()))
        self.addCleanup(self.grant, role, rules)
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "listed"}}
        status, answer, _ = self.cluster.client.ask("POST", "/api/v1/nodes", node)
        self.assertEqual(status, 201, answer)
        listing = Right("", "nodes", "list")
        with (
            FaultProxy(self.cluster.url) as proxy,
            self.podkeeperd(proxy.url, STALENESS) as daemon,
        ):
            wait_ready(daemon)
            # The server that comes back does not know what was missed: only a list can tell.
            proxy.set_target(NOWHERE)
            proxy.cut()
            self.without(role, listing)
            self.mark_node("missed", 3)
            self.cluster.restart_apiserver()
            proxy.set_target(self.cluster.url)
            wait_for(lambda: daemon.log(), lambda: self.named(daemon, listing))
            wait_for(lambda: f"stale: {daemon.log()}", lambda: self.stale(daemon))
            self.assertEqual(get(daemon.api + NODE)[0], 200)
            self.assertEqual(get(daemon.health + "/livez")[0], 200)
            self.assertEqual(daemon.metric("podkeeper_reflector_synced", resource="nodes"), 0)
            self.assertGreater(daemon.metric("rest_client_requests_total", code="403"), 0)
            granted = time.monotonic()
            self.grant(role, rules)
            wait_ready(daemon)
            recovery = time.monotonic() - granted
            wait_equal(self.cluster, daemon, "/api/v1/nodes")
        record_fault(
            *(5, self, "serves its last state, not ready once that is too stale; lists again"),
            f'log: the missing rule {listing.rule()}; rest_client_requests_total{{code="403"}}',
            recovery,
        )

    def mark_node(self, label, times):
        """Changes the node so often."""
        for number in range(times):
            patch = {"metadata": {"labels": {label: str(number)}}}
            status, answer, _ = self.cluster.client.ask("PATCH", NODE, patch, MERGE_PATCH)
            self.assertEqual(status, 200, answer)

    def stale(self, daemon):
        status, text, _ = get(daemon.health + "/readyz")
        return status >= 500 and "[-]staleness" in text

    def flipping_until(self, daemon, condition):
        """Whether it comes to be so while the policy goes from strategy to strategy."""
        for strategy in STRATEGIES * 10:
            if daemon.ready():
                self.change_policy(strategy)
            with contextlib.suppress(AssertionError):
                return wait_for("", condition, FLIP_S)
        return False
