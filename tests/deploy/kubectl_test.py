"""An API server accepts what the chart and config/ render: the real kubectl applies it to an
embedded cluster, reads it back and deletes it."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

from support import ci_values, kustomize, NAMESPACE, only, render, ROOT, simkube

SAMPLES = ROOT / "config/samples"
CLUSTER = ("--nodes=3", "--pods=20", "--churn=0")
OPERATOR_KINDS = {
    "servicemonitors": "ServiceMonitor",
    "podmonitors": "PodMonitor",
    "prometheusrules": "PrometheusRule",
}
EVERYTHING = {
    "networkPolicy": {"enabled": True},
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
}


def structural(schema):
    """A JSON schema as a definition has it: no `additionalProperties: false`, a type everywhere."""
    if isinstance(schema, list):
        return [structural(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {k: structural(v) for k, v in schema.items() if v is not False}
    return {"type": "string", **kept} if "enum" in kept else kept


def operator_definition(plural, kind):
    """The Prometheus operator's definition of a kind, with the fields that our schema names."""
    path = ROOT / f"tests/deploy/schemas/{kind.lower()}-monitoring-v1.json"
    spec = structural(json.loads(path.read_text())["properties"]["spec"])
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def lacks(held, wanted, path=""):
    """Where `held` does not have what was written; empty where it has it all."""
    if isinstance(wanted, dict) and isinstance(held, dict):
        written = {k: v for k, v in wanted.items() if v is not None}
        return [f for k, v in written.items() for f in lacks(held.get(k), v, f"{path}.{k}")]
    if isinstance(wanted, list) and isinstance(held, list) and len(wanted) == len(held):
        pairs = enumerate(zip(held, wanted))
        return [f for i, (h, w) in pairs for f in lacks(h, w, f"{path}[{i}]")]
    return [] if held == wanted else [f"{path}: {held!r}, not {wanted!r}"]


class Cluster(unittest.TestCase):
    """One embedded cluster a class, with the Prometheus operator's kinds and without podkeeper's,
    which each rendering brings."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.url = stack.enter_context(simkube(*CLUSTER))
        cls.home = stack.enter_context(tempfile.TemporaryDirectory())
        cls.kubectl("delete", "customresourcedefinitions", "--all")
        cls.apply([operator_definition(*row) for row in OPERATOR_KINDS.items()])

    @classmethod
    def run_tool(cls, *command, stdin=None):
        """(code, output, errors), with nothing of the user's configuration."""
        run = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "HOME": cls.home, "KUBECONFIG": os.devnull},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=150,
        )
        return run.returncode, run.stdout, run.stderr

    @classmethod
    def must(cls, *command, stdin=None):
        code, output, errors = cls.run_tool(*command, stdin=stdin)
        if code != 0:
            raise AssertionError(f"{' '.join(command)}: {errors}{output}")
        return output

    @classmethod
    def kubectl(cls, *arguments, stdin=None):
        return cls.must("kubectl", "-s", cls.url, *arguments, stdin=stdin)

    @classmethod
    def apply(cls, objects):
        """What kubectl says of each object."""
        said = cls.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
        return [line.rsplit(" ", 1)[-1] for line in said.splitlines()]

    def held(self, written):
        """What the cluster has of these objects (YAML), without those that it has not."""
        found = self.kubectl("get", "--ignore-not-found", "-f", "-", "-o", "json", stdin=written)
        return json.loads(found)["items"] if found else []


class Applied(Cluster):
    """kubectl apply, get and delete of whole renderings."""

    def accept(self, objects):
        """Applies, applies again, reads, deletes; gives the kinds."""
        if not any(o["kind"] == "Namespace" for o in objects):
            objects = [namespace(NAMESPACE), *objects]
        written = yaml.safe_dump_all(objects)
        try:
            self.assertEqual(self.apply(objects), ["created"] * len(objects))
            # kubectl patches a PodDisruptionBudget every time, and that changes nothing.
            said = zip(objects, self.apply(objects))
            patched = {o["kind"] for o, done in said if done != "unchanged"}
            self.assertLessEqual(patched, {"PodDisruptionBudget"})
            found = self.held(written)
            self.assertEqual(len(found), len(objects))
            for held, wanted in zip(found, objects):
                self.assertEqual(lacks(held, wanted, wanted["kind"]), [])
        finally:
            # With its namespace goes what is in it, before kubectl comes to that.
            self.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=written)
        # What is not gone would not be "created" by the next rendering.
        return {o["kind"] for o in objects}

    def with_everything(self):
        """A folder for kustomize that adds to config/default what it leaves out."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        parts = ("default", "prometheus", "network-policy")
        bases = [os.path.relpath(ROOT / "config" / part, folder.name) for part in parts]
        overlay = {"namespace": NAMESPACE, "resources": bases}
        (pathlib.Path(folder.name) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return folder.name

    def test_every_rendering_is_accepted_read_back_and_deleted(self):
        accepted = set()
        for name, values in {**ci_values(), "everything": EVERYTHING}.items():
            with self.subTest(values=name):
                accepted |= self.accept(render(values))
        for folder in ("config/default", self.with_everything()):
            with self.subTest(config=folder):
                accepted |= self.accept(kustomize(folder))
        self.assertLessEqual(
            {"ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition"}
            | {"Deployment", "Namespace", "NetworkPolicy", "Pod", "PodDisruptionBudget"}
            | {"Service", "ServiceAccount", *OPERATOR_KINDS.values()},
            accepted,
        )

    def test_samples_are_accepted_by_the_definition_that_the_chart_renders(self):
        definition = only(render(), "CustomResourceDefinition")
        self.apply([definition])
        samples = [yaml.safe_load(p.read_text()) for p in sorted(SAMPLES.glob("*-*.yaml"))]
        self.assertGreaterEqual(len(samples), 6)
        self.kubectl("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}")
        self.assertEqual(self.apply(samples), ["created"] * len(samples))
        self.kubectl("delete", "-f", "-", stdin=yaml.safe_dump(definition))

    def test_what_no_api_server_takes_is_refused(self):
        deployment = only(render(), "Deployment")
        self.apply([namespace("refusals")])
        for what, change in {
            "metadata.name": lambda o: o["metadata"].update(name="Not_A_Name"),
            "spec.template.spec.containers": lambda o: o["spec"]["template"]["spec"].pop(
                "containers"
            ),
            "no matches for kind": lambda o: o.update(apiVersion="apps/v2"),
        }.items():
            with self.subTest(what=what):
                item = json.loads(json.dumps(deployment))
                item["metadata"]["namespace"] = "refusals"
                change(item)
                code, _, errors = self.run_tool(
                    *("kubectl", "-s", self.url, "apply", "-f", "-"), stdin=yaml.safe_dump(item)
                )
                self.assertNotEqual(code, 0)
                self.assertIn(what, errors)

    def test_what_a_kind_does_not_have_is_told(self):
        item = {**namespace("told"), "specification": {}}
        # An error, or, from a kubectl that does not ask for one, a warning.
        _, _, errors = self.run_tool(
            *("kubectl", "-s", self.url, "apply", "-f", "-"), stdin=yaml.safe_dump(item)
        )
        self.assertIn('unknown field "specification"', errors)
