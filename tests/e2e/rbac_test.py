"""The rights that the chart grants, judged by a real server's RBAC: they are enough, none is idle,
and where one is missing podkeeperd says which."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import typing
import unittest

import yaml

from cluster import POLICIES, Cluster, ROOT
from proxy import FaultProxy
from replica import pod, token_volume, wait_ready

from support import get, wait_for

NAMESPACE = "podkeeper-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:podkeeper"
RBAC = "/apis/rbac.authorization.k8s.io/v1/"
SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"
NAME = yaml.safe_load(SAMPLE.read_text())["metadata"]["name"]
STRATEGIES = ("SyncMap", "Mutex")
FLIP_S = 3
# What this account asks for, and nothing else, is written down by the server.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [ACCOUNT]}, {"level": "None"}],
}


class Right(typing.NamedTuple):
    group: str
    resource: str
    verb: str

    def rule(self):
        """As podkeeperd tells of a missing one."""
        return (
            f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"], '
            f'verbs: ["{self.verb}"]}}'
        )


def rights(rules):
    """(right, the rule of that right alone) of each right of a role."""
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    alone = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                    yield Right(group, resource, verb), {**rule, **alone}


class Rights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (scratch / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
        cls.audit = scratch / "audit.log"
        cls.cluster = Cluster(
            flags=(f"audit-policy-file={scratch}/audit.yaml", f"audit-log-path={cls.audit}")
        )
        cls.addClassCleanup(cls.cluster.close)
        subprocess.run(
            ["helm", "install", "podkeeper", str(ROOT / "charts/podkeeper"), "--create-namespace"]
            + ["--namespace", NAMESPACE],
            env={**os.environ, "KUBECONFIG": cls.cluster.path("admin.kubeconfig")},
            check=True,
            capture_output=True,
            timeout=60,
        )
        cls.volume = token_volume(cls.cluster, NAMESPACE, "podkeeper")
        cls.config = scratch / "config.yaml"
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/podkeeper"
        cls.config.write_text(cls.cluster.client.get(path)["data"]["config.yaml"])
        cls.roles = dict(cls.bound_roles())

    @classmethod
    def bound_roles(cls):
        """(path, rules) of each role that is bound to the account."""
        scopes = {"": "clusterroles", f"namespaces/{NAMESPACE}/": "roles"}
        for scope, plural in scopes.items():
            bindings = cls.cluster.client.get(f"{RBAC}{scope}{plural[:-1]}bindings")["items"]
            for binding in bindings:
                subjects = [(s["kind"], s["name"]) for s in binding.get("subjects", [])]
                if ("ServiceAccount", "podkeeper") in subjects:
                    path = f"{RBAC}{scope}{plural}/{binding['roleRef']['name']}"
                    yield path, cls.cluster.client.get(path)["rules"]

    def podkeeperd(self, url=None):
        """As the chart's container, but for the ports."""
        return pod(self.cluster, self.volume, f"--config={self.config}", url=url)

    def grant(self, role, rules):
        patch = [{"op": "replace", "path": "/rules", "value": rules}]
        status, answer, _ = self.cluster.client.ask(
            "PATCH", role, patch, "application/json-patch+json"
        )
        self.assertEqual(status, 200, answer)

    def without(self, role, right):
        """Takes one right away until the end of the subtest; returns when the server does so."""
        kept = [alone for granted, alone in rights(self.roles[role]) if granted != right]
        self.grant(role, kept)
        wait_for(f"{right} refused", lambda: not self.allowed(right))

    def allowed(self, right):
        resource, _, subresource = right.resource.partition("/")
        asked = {
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": right.verb,
            "namespace": NAMESPACE,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": ACCOUNT, "resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        status, answer, _ = self.cluster.client.ask("POST", path, review)
        self.assertEqual(status, 201, answer)
        return answer["status"]["allowed"]

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
            "PATCH", f"{POLICIES}/{NAME}", patch, "application/merge-patch+json"
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

    def named(self, daemon, right):
        return right.rule() in daemon.process.output().replace("\\", "")

    def flipping_until(self, daemon, condition):
        """Whether it comes to be so while the policy goes from strategy to strategy."""
        for strategy in STRATEGIES * 10:
            if daemon.ready():
                self.change_policy(strategy)
            with contextlib.suppress(AssertionError):
                return wait_for("", condition, FLIP_S)
        return False
