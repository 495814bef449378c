"""podkeeperd with the rights of its chart at a real server; a test takes them away and gives them
back."""

import os
import pathlib
import subprocess
import tempfile
import typing
import unittest

import yaml

from cluster import Cluster, ROOT
from replica import pod, token_volume

from support import wait_for

NAMESPACE = "podkeeper-system"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:podkeeper"
RBAC = "/apis/rbac.authorization.k8s.io/v1/"
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


class ChartRights(unittest.TestCase):
    values = ()  # of the chart, as arguments of helm

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
            + ["--namespace", NAMESPACE, *cls.values],
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

    def podkeeperd(self, url=None, flags=()):
        """As the chart's container, but for the ports."""
        return pod(self.cluster, self.volume, f"--config={self.config}", *flags, url=url)

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

    def named(self, daemon, right):
        return right.rule() in daemon.process.output().replace("\\", "")
