"""A policy's status on a real server: applied by each replica and by the leader under names of
their own, kept against another manager without a fight, given up at the end; and its Events."""

import contextlib
import itertools
import json
import re
import signal
import time
import unittest

from cluster import POLICIES, Cluster
from replica import serving, wait_ready

from support import wait_for

POLICY = {
    "apiVersion": "podkeeper.dev/v1alpha1",
    "kind": "ConcurrentMapPolicy",
    "metadata": {"name": "batch"},
    "spec": {"strategy": "Mutex", "target": {"resources": ["pods"]}},
}
APPLY = "application/apply-patch+yaml"
FIGHT_S = 20
# podkeeper forces twice at once and once in 30 s then.
TAKEN_BACK_MAX = 2 + FIGHT_S // 30 + 1


class Status(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()

    def setUp(self):
        status, answer, _ = self.cluster.client.ask("POST", POLICIES, POLICY)
        self.assertEqual(status, 201, answer)
        self.addCleanup(self.cluster.client.ask, "DELETE", f"{POLICIES}/batch")

    @contextlib.contextmanager
    def podkeeperd(self, *names):
        with contextlib.ExitStack() as stack:
            flag = f"--kubeconfig={self.cluster.path('admin.kubeconfig')}"
            daemons = [
                stack.enter_context(serving(flag, env={"POD_NAME": name})) for name in names
            ]
            for daemon in daemons:
                wait_ready(daemon)
            yield daemons

    def policy(self):
        """As kubectl shows it."""
        return json.loads(
            self.cluster.must("get", "cmpol", "batch", "-o", "json", "--show-managed-fields")
        )

    def status(self):
        return self.cluster.client.get(f"{POLICIES}/batch").get("status", {})

    def active_since(self, revision):
        """The active strategy in each change since then, however short it lasted."""
        flags = f"watch=true&timeoutSeconds=2&resourceVersion={revision}"
        _, text = self.cluster.client.read(f"{POLICIES}?{flags}")
        changes = [json.loads(line)["object"] for line in text.splitlines()]
        return [c["status"]["activeStrategy"] for c in changes if c["metadata"]["name"] == "batch"]

    def instances(self):
        return {entry["instance"] for entry in self.status().get("instances", [])}

    def events(self, reason):
        listed = self.cluster.client.get("/apis/events.k8s.io/v1/namespaces/default/events")
        uid = self.cluster.client.get(f"{POLICIES}/batch")["metadata"]["uid"]
        return [
            event
            for event in listed["items"]
            if event["reason"] == reason and event["regarding"].get("uid") == uid
        ]

    def take(self, value):
        """Another manager takes the active strategy, as kubectl apply --server-side would."""
        path = f"{POLICIES}/batch/status?fieldManager=other&force=true"
        body = {**POLICY, "status": {"activeStrategy": value}}
        del body["spec"]
        status, answer, _ = self.cluster.client.ask("PATCH", path, body, APPLY)
        self.assertEqual(status, 200, answer)

    def settled(self):
        status = self.status()
        ready = {c["type"]: c["status"] for c in status.get("conditions", [])}.get("Ready")
        return ready == "True" and status.get("activeStrategy") == "Mutex"

    def test_each_replica_owns_its_entry_and_the_leader_the_rest(self):
        with self.podkeeperd("a", "b"):
            wait_for("Ready", self.settled)
            wait_for("both entries", lambda: self.instances() == {"a", "b"})
            text = self.cluster.must("get", "cmpol", "batch", "-o", "yaml")
            self.assertRegex(text, r"(?s)status:.*instances:.*instance: a.*instance: b")
            owners = {
                entry["manager"]: (entry["operation"], entry["fieldsV1"]["f:status"])
                for entry in self.policy()["metadata"]["managedFields"]
                if entry.get("subresource") == "status"
            }
            self.assertEqual(owners.keys(), {"podkeeper", "podkeeper-a", "podkeeper-b"})
            self.assertEqual({operation for operation, _ in owners.values()}, {"Apply"})
            for name in ("a", "b"):
                entry = f'k:{{"instance":"{name}"}}'
                fields = owners[f"podkeeper-{name}"][1]
                self.assertEqual(list(fields), ["f:instances"])
                self.assertEqual(list(fields["f:instances"]), [entry])
            self.assertNotIn("f:instances", owners["podkeeper"][1])
            self.assertIn('k:{"type":"Ready"}', owners["podkeeper"][1]["f:conditions"])

    def test_a_replica_that_ends_takes_its_entry_along(self):
        with self.podkeeperd("a", "b") as (first, second):
            wait_for("both entries", lambda: self.instances() == {"a", "b"})
            self.assertEqual(second.process.stop(), 0)
            self.assertEqual(self.instances(), {"a"})
            managers = [e["manager"] for e in self.policy()["metadata"]["managedFields"]]
            self.assertNotIn("podkeeper-b", managers)
            # One that is killed leaves it to the leader, which waits for half an hour.
            first.process.popen.send_signal(signal.SIGKILL)
            first.process.popen.wait()
            self.assertEqual(self.instances(), {"a"})

    def test_a_field_that_kubectl_takes_is_taken_back_and_told_of(self):
        with self.podkeeperd("a") as (daemon,):
            wait_for("Ready", self.settled)
            body = {**POLICY, "status": {"activeStrategy": "Sharded"}}
            flags = ("--server-side", "--subresource=status", "--field-manager=other")
            plain = self.cluster.kubectl("apply", *flags, "-f", "-", stdin=json.dumps(body))
            self.assertNotEqual(plain.returncode, 0)
            self.assertIn('conflict with "podkeeper"', plain.stderr)
            self.cluster.must(
                "apply", *flags, "--force-conflicts", "-f", "-", stdin=json.dumps(body)
            )
            wait_for("taken back", self.settled)
            told = wait_for("an Event", lambda: self.events("StatusConflict"))
            self.assertIn('conflict with "other"', told[0]["note"])
            lines = re.findall("status_fields_taken", daemon.process.output())
            self.assertEqual(len(lines), 1)
            managers = {e["manager"] for e in self.policy()["metadata"]["managedFields"]
                        if e.get("subresource") == "status"}  # fmt: skip
            self.assertEqual(managers, {"podkeeper", "podkeeper-a"})

    def test_one_who_insists_is_not_fought_at_a_high_rate(self):
        with self.podkeeperd("a"):
            wait_for("Ready", self.settled)
            revision = self.policy()["metadata"]["resourceVersion"]
            end = time.monotonic() + FIGHT_S
            while time.monotonic() < end:
                self.take("Sharded")
                time.sleep(0.1)
            active = self.active_since(revision)
            taken_back = sum(pair == ("Sharded", "Mutex") for pair in itertools.pairwise(active))
            self.assertGreaterEqual(taken_back, 1, active)
            self.assertLessEqual(taken_back, TAKEN_BACK_MAX, active)
            wait_for("the last word", self.settled, 60)
            self.assertEqual(len(self.events("StatusConflict")), 1)

    def test_what_another_manager_adds_stays(self):
        with self.podkeeperd("a"):
            wait_for("Ready", self.settled)
            reviewed = {
                **{"type": "example.com/Reviewed", "status": "True", "reason": "Read"},
                **{"message": "", "lastTransitionTime": "2026-11-20T09:46:00Z"},
            }
            path = f"{POLICIES}/batch/status?fieldManager=reviewer"
            body = {**POLICY, "status": {"conditions": [reviewed]}}
            status, answer, _ = self.cluster.client.ask("PATCH", path, body, APPLY)
            self.assertEqual(status, 200, answer)
            change = {"spec": {"strategy": "RWMutex"}}
            self.cluster.must("patch", "cmpol", "batch", "--type=merge", "-p", json.dumps(change))
            wait_for("the change", lambda: self.status().get("activeStrategy") == "RWMutex")
            self.assertIn(reviewed, self.status()["conditions"])
            self.assertEqual(self.events("StatusConflict"), [])

    def test_kubectl_shows_its_events(self):
        with self.podkeeperd("a"):
            event = wait_for("an Event", lambda: self.events("Applied"))[0]
            self.assertEqual(event["reportingController"], "podkeeper.dev/podkeeper")
            self.assertEqual(event["reportingInstance"], "a")
            self.assertEqual(event["action"], "Apply")
            self.assertRegex(event["eventTime"], r"T\d\d:\d\d:\d\d\.\d{6}Z$")
            described = self.cluster.must("describe", "cmpol", "batch")
            self.assertRegex(described, r"Normal\s+Applied\s+.*podkeeper\.dev/podkeeper\s+governs")
            listed = self.cluster.must("get", "events")
            self.assertRegex(listed, r"Normal\s+Applied\s+concurrentmappolicy/batch\s+governs")
