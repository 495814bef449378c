"""The rights that the chart grants, judged by a real server's RBAC: they are enough, and where one
is missing podkeeperd says which."""

import contextlib
import copy
import os
import subprocess
import unittest

from cluster import POLICIES, Cluster, proxy, replica, ROOT, wait_ready

from support import wait_for

NAMESPACE = "podkeeper-system"
ROLE = "podkeeper-system-podkeeper"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:podkeeper"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles/"
SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"
POLICY = f"{POLICIES}/quiet-namespaces"


class Rights(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        subprocess.run(
            ["helm", "install", "podkeeper", str(ROOT / "charts/podkeeper"), "--create-namespace"]
            + ["--namespace", NAMESPACE],
            env={**os.environ, "KUBECONFIG": cls.cluster.path("admin.kubeconfig")},
            check=True,
            capture_output=True,
            timeout=60,
        )
        cls.kubeconfig = cls.cluster.kubeconfig_of(NAMESPACE, "podkeeper")
        cls.role = cls.cluster.client.get(ROLES + ROLE)

    def grant(self, rules):
        patch = [{"op": "replace", "path": "/rules", "value": rules}]
        status, answer, _ = self.cluster.client.ask(
            "PATCH", ROLES + ROLE, patch, "application/json-patch+json"
        )
        self.assertEqual(status, 200, answer)

    def take(self, group, resource):
        """Takes a resource out of the role; returns when the server decides so."""
        rules = copy.deepcopy(self.role["rules"])
        for rule in rules:
            if group in rule["apiGroups"]:
                rule["resources"] = [r for r in rule["resources"] if r != resource]
        verb = next(r["verbs"][0] for r in self.role["rules"] if resource in r["resources"])
        self.grant([r for r in rules if r["resources"]])
        wait_for(f"{resource} refused", lambda: not self.allowed(group, resource, verb))

    def allowed(self, group, resource, verb):
        resource, _, subresource = resource.partition("/")
        asked = {"group": group, "resource": resource, "subresource": subresource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": ACCOUNT, "resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        status, answer, _ = self.cluster.client.ask("POST", path, review)
        self.assertEqual(status, 201, answer)
        return answer["status"]["allowed"]

    @contextlib.contextmanager
    def podkeeperd(self):
        with proxy(self.cluster, self.kubeconfig) as url, replica(url) as daemon:
            yield daemon

    def conditions(self):
        status = self.cluster.client.get(POLICY).get("status", {})
        return {c["type"]: c["status"] for c in status.get("conditions", [])}

    def told_of(self):
        """The kinds that there are Events about."""
        events = self.cluster.client.get("/api/v1/events")["items"]
        return {e["involvedObject"]["kind"] for e in events}

    def test_they_are_enough(self):
        self.cluster.must("apply", "-f", str(SAMPLE))
        with self.podkeeperd() as daemon:
            wait_ready(daemon)
            wait_for("Ready", lambda: self.conditions().get("Ready") == "True")
            wait_for("an Event", lambda: "ConcurrentMapPolicy" in self.told_of())
            self.assertNotRegex(daemon.process.output(), r"(?i)forbidden|\b403\b")

    def test_without_one_it_names_what_is_missing(self):
        self.addCleanup(self.grant, self.role["rules"])
        for group, resource in [
            (group, resource)
            for rule in self.role["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        ]:
            with self.subTest(group=group, resource=resource):
                # A policy that nobody has told of yet: it is due a status and an Event.
                self.cluster.must("delete", "--ignore-not-found", "-f", str(SAMPLE))
                self.cluster.must("apply", "-f", str(SAMPLE))
                self.take(group, resource)
                with self.podkeeperd() as daemon:
                    daemon.process.wait_for_line(rf"(?i)forbidden.*{resource}")
