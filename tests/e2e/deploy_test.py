"""What is deployed, on a real server: config/ and the chart pass its validation, the chart installs
and goes, and policies outlive it."""

import os
import subprocess
import unittest

import yaml

from cluster import CRD, POLICIES, Cluster, ROOT

from support import kustomize

CHART = ROOT / "charts/podkeeper"
NAMESPACE = "podkeeper-system"
# The chart's further objects of these kinds need Prometheus' operator, which is not there.
FOREIGN = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"


class DeployTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.create_namespace(NAMESPACE)

    def helm(self, *arguments):
        environment = {**os.environ, "KUBECONFIG": self.cluster.path("admin.kubeconfig")}
        run = subprocess.run(
            ["helm", *arguments, "--namespace", NAMESPACE],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout


class Accepted(DeployTest):
    """Everything passes server-side validation; a warning is as good as an error."""

    def dry_run(self, objects):
        """The number of objects that the server accepted, which is all of them."""
        # It is there already.
        objects = [o for o in objects if o and o["kind"] != "Namespace"]
        run = self.cluster.kubectl(
            *("apply", "--dry-run=server", "-f", "-"), stdin=yaml.safe_dump_all(objects)
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(len(run.stdout.splitlines()), len(objects), run.stdout)
        return len(objects)

    def test_config(self):
        self.assertGreaterEqual(self.dry_run(kustomize("config/default")), 9)

    def test_the_chart_whatever_values_it_gets(self):
        for values in sorted(CHART.glob("ci/*-values.yaml")):
            with self.subTest(values=values.name):
                rendered = self.helm("template", "podkeeper", str(CHART), "--values", str(values))
                objects = [o for o in yaml.safe_load_all(rendered) if o]
                kept = [o for o in objects if o["kind"] not in FOREIGN]
                self.assertGreaterEqual(self.dry_run(kept), 5)


class Installed(DeployTest):
    def deployments(self):
        return self.cluster.must(
            *("get", "deployments", "--namespace", NAMESPACE, "--output", "name")
        ).split()

    def test_it_comes_and_goes_and_policies_outlive_it(self):
        self.helm("install", "podkeeper", str(CHART), "--dry-run=server")
        self.assertEqual(self.deployments(), [])
        self.helm("install", "podkeeper", str(CHART))
        self.cluster.must("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRD))
        self.assertEqual(self.deployments(), ["deployment.apps/podkeeper"])
        self.cluster.must("apply", "-f", str(SAMPLE))
        self.helm("upgrade", "podkeeper", str(CHART), "--set", "replicaCount=3")
        self.helm("uninstall", "podkeeper")
        self.assertEqual(self.deployments(), [])
        policies = self.cluster.client.get(POLICIES)["items"]
        self.assertEqual([p["metadata"]["name"] for p in policies], ["quiet-namespaces"])
        # Installed again it takes over what it left.
        self.helm("install", "podkeeper", str(CHART))
        self.assertEqual(len(self.cluster.client.get(POLICIES)["items"]), 1)
