"""Any resource that a real server offers is mirrored by its name: what kubectl reads through
podkeeperd is what it reads from the server, also of a definition that comes later."""

import base64
import contextlib
import json
import os
import subprocess
import unittest
import urllib.request

import yaml

from cluster import Cluster
from replica import kubectl_proxy, replica, wait_ready

from support import get, get_json, program, wait_for

# Its first member, in the order in which they are sent, is not metadata.
GADGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.e2e.podkeeper.dev"},
    "spec": {
        "group": "e2e.podkeeper.dev",
        "scope": "Cluster",
        "names": {
            "kind": "Gadget",
            "plural": "gadgets",
            "shortNames": ["gd"],
            "categories": ["toys"],
        },
        "versions": [
            {
                "name": version,
                "served": True,
                "storage": version == "v1",
                "selectableFields": [{"jsonPath": ".data.colour"}],
                "additionalPrinterColumns": [
                    {"name": "Colour", "type": "string", "jsonPath": ".data.colour"},
                    {"name": "Size", "type": "integer", "jsonPath": ".data.size", "priority": 1},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "data": {
                                "type": "object",
                                "properties": {
                                    "colour": {"type": "string"},
                                    "size": {"type": "integer"},
                                },
                            }
                        },
                    }
                },
            }
            for version in ("v1", "v1beta1")
        ],
    },
}
PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
SECRET = base64.b64encode(b"not to be told to anybody").decode()


def gadget(name, colour):
    return {
        "apiVersion": "e2e.podkeeper.dev/v1",
        "kind": "Gadget",
        "metadata": {"name": name, "labels": {"colour": colour}},
        "data": {"colour": colour, "size": len(name)},
    }


def deployment(name):
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example.com/e2e:v1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def plain_object(kind, name, **members):
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **members}


def get_as(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


class Resources(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        cls.cluster.create_namespace("shop")
        cls.apply(
            deployment("front"),
            deployment("back"),
            plain_object("ConfigMap", "settings", data={"mode": "fast"}),
            plain_object("Secret", "key", data={"token": SECRET}),
        )
        cls.url = cls.enterClassContext(kubectl_proxy(cls.cluster))

    @classmethod
    def apply(cls, *objects):
        cls.cluster.must("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    @contextlib.contextmanager
    def mirrored(self, *resources, flags=()):
        names = ",".join(("pods", "nodes", *resources))
        with replica(self.cluster, f"--resources={names}", *flags) as daemon:
            yield daemon

    def through(self, daemon, *arguments):
        """What kubectl prints when it reads from the replica; it has to succeed."""
        cache = self.cluster.path("kubectl-" + daemon.api.rpartition(":")[2])
        run = subprocess.run(
            ["kubectl", "-s", daemon.api, "--cache-dir", cache, *arguments],
            env={**os.environ, "KUBECONFIG": os.devnull},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def assert_same(self, daemon, *arguments):
        """kubectl prints the same of the replica as of the server; gives it."""
        read = []

        def same():
            read[:] = self.cluster.must(*arguments), self.through(daemon, *arguments)
            return read[0] == read[1]

        try:
            wait_for("the same output", same, 15)
        except AssertionError:
            self.assertEqual(read[1], read[0])
        return read[0]

    def refused(self, *flags):
        """What podkeeperd says when it ends at once."""
        command = (
            *(program("podkeeperd"), f"--kubeconfig={self.cluster.path('admin.kubeconfig')}"),
            *("--auth-mode=None", "--api-bind-address=127.0.0.1:0", "--metrics-bind-address=0"),
            *("--health-probe-bind-address=127.0.0.1:0", *flags),
        )
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        return run.stderr

    def test_kubectl_reads_through_it_what_the_server_says(self):
        names = ("deployments.apps", "configmaps", "clusterroles.rbac.authorization.k8s.io",
                 "leases.coordination.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
                 "concurrentmappolicies.podkeeper.dev", "namespaces.v1.", "events.events.k8s.io",
                 "priorityclasses.v1.scheduling.k8s.io")  # fmt: skip
        with self.mirrored(*names) as daemon:
            wait_ready(daemon)
            for words in (
                ("deploy", "-A"),
                ("deployments.v1.apps", "-n", "shop", "front"),
                ("deploy", "-A", "-l", "app=back"),
                ("cm", "-n", "shop"),
                ("clusterroles",),
                ("leases", "-A"),
                ("crd",),
                ("cmpol",),
                ("ns", "shop"),
                ("events.v1.events.k8s.io", "-A"),
                ("pc",),
            ):
                with self.subTest(words=words):
                    text = self.assert_same(daemon, "get", *words, "-o", "json")
                    self.assertTrue(json.loads(text))
            table = self.through(daemon, "get", "deploy", "-n", "shop").splitlines()
            self.assertRegex(table[0], r"^NAME +AGE$")
            self.assertRegex(table[1], r"^back +\d+")
            self.assert_same(daemon, "get", "crd", "--no-headers", "-o", "name")
            path = "/apis/apps/v1/namespaces/shop/deployments"
            ours, theirs = get_as(daemon.api + path, PARTIAL), get_as(self.url + path, PARTIAL)
            self.assertEqual(ours["items"], theirs["items"])

    def test_a_definition_that_comes_later_is_served_from_then_on(self):
        with self.mirrored("gadgets.e2e.podkeeper.dev", "configmaps") as daemon:
            readyz = daemon.health + "/readyz?verbose"
            wait_for("configmaps", lambda: get(daemon.api + "/api/v1/configmaps")[0] == 200)
            self.assertRegex(daemon.process.output(), r"does not offer.*gadgets")
            self.assertEqual(get(readyz)[0], 500)
            self.assertIn("[-]resource-discovery failed", get(readyz)[1])
            self.assert_same(daemon, "get", "cm", "-n", "shop", "-o", "json")
            self.apply(GADGETS)
            definition = "crd/gadgets.e2e.podkeeper.dev"
            self.cluster.must("wait", "--for=condition=Established", definition)
            self.apply(gadget("one", "red"), gadget("second", "green"))
            wait_ready(daemon)
            for words in (
                ("gd",),
                ("gadgets", "-o", "wide"),
                ("gadget", "one", "-o", "json"),
                ("gd", "-o", "json"),
                ("gd", "--field-selector=data.colour=green", "-o", "json"),
                ("gd", "-l", "colour=red", "-o", "json"),
                ("toys", "-o", "name"),
            ):
                with self.subTest(words=words):
                    self.assert_same(daemon, "get", *words)
            path = "/apis/e2e.podkeeper.dev/v1/gadgets"
            ours, theirs = get_as(daemon.api + path, PARTIAL), get_as(self.url + path, PARTIAL)
            self.assertEqual(ours["items"], theirs["items"])
            self.apply(gadget("third", "blue"))
            self.cluster.must("delete", "gadget", "one")
            self.assert_same(daemon, "get", "gd", "-o", "json")
            self.cluster.must("delete", definition)
            wait_for("gone", lambda: get(daemon.api + path)[0] == 404)
            self.assertTrue(daemon.ready())

    def test_a_version_may_be_named(self):
        self.apply(GADGETS)
        definition = "crd/gadgets.e2e.podkeeper.dev"
        self.addCleanup(self.cluster.must, "delete", definition)
        self.cluster.must("wait", "--for=condition=Established", definition)
        self.apply(gadget("old", "grey"))
        with self.mirrored("gadgets.v1beta1.e2e.podkeeper.dev") as daemon:
            wait_ready(daemon)
            name = "gadgets.v1beta1.e2e.podkeeper.dev"
            text = self.assert_same(daemon, "get", name, "old", "-o", "json")
            self.assertEqual(json.loads(text)["apiVersion"], "e2e.podkeeper.dev/v1beta1")

    def test_a_name_that_will_never_be_served_ends_it(self):
        for name, advice in (
            ("deploy", "deployments.apps"),
            ("Deployment.apps", "deployments.apps"),
            ("pods/log", 'name "pods"'),
            ("tokenreviews.authentication.k8s.io", "only create"),
            ("componentstatuses", "only get, list"),
        ):
            with self.subTest(name=name):
                self.assertIn(advice, self.refused(f"--resources=pods,nodes,{name}"))

    def test_secrets_are_refused_unless_they_are_allowed_and_then_told_to_readers_alone(self):
        said = self.refused("--resources=pods,nodes,secrets")
        self.assertIn("--allow-sensitive=secrets", said)
        flags = ("--allow-sensitive=secrets", "--enable-debug-panic", "-v", "10")
        with self.mirrored("secrets", flags=flags) as daemon:
            wait_ready(daemon)
            text = self.assert_same(daemon, "get", "secret", "-n", "shop", "key", "-o", "json")
            self.assertEqual(json.loads(text)["data"]["token"], SECRET)
            get(daemon.api + "/debug/panic?handler=http&kind=exception", method="POST")
            said = daemon.process.output()
            maps = get_json(daemon.api + "/state/v1/maps")
            names = [item["partition"] for item in maps["items"]]
            self.assertIn("secrets", names)
            for path in ("/debug/panics", "/debug/tasks", "/metrics", "/configz", "/flagz",
                         "/debug/maps/secrets/audit", "/debug/maps/secrets/heap",
                         "/state/v1/maps"):  # fmt: skip
                status, body, _ = get(daemon.api + path)
                self.assertEqual(status, 200, path)
                said += body
            table = self.through(daemon, "get", "secrets", "-A")
            for told in (said, table):
                self.assertNotIn(SECRET, told)
                self.assertNotIn("not to be told", told)

    def test_a_policy_governs_it(self):
        policy = {
            "apiVersion": "podkeeper.dev/v1alpha1",
            "kind": "ConcurrentMapPolicy",
            "metadata": {"name": "rollouts"},
            "spec": {"strategy": "Mutex", "target": {"resources": ["deployments.apps"]}},
        }
        with self.mirrored("deployments.apps") as daemon:
            wait_ready(daemon)
            self.apply(policy)
            self.addCleanup(self.cluster.must, "delete", "cmpol", "rollouts")
            self.cluster.must("wait", "--for=condition=Ready", "--timeout=60s", "cmpol/rollouts")
            status = json.loads(self.cluster.must("get", "cmpol", "rollouts", "-o", "json"))
            self.assertEqual(status["status"]["entries"], 2)
            maps = get_json(daemon.api + "/state/v1/maps")["items"]
            governed = [m for m in maps if m.get("policy") == "rollouts"]
            self.assertEqual([m["resource"] for m in governed], ["deployments.apps"])
            self.assertEqual(governed[0]["strategy"], "Mutex")
