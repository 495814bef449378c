"""The real helm installs, upgrades, rolls back and uninstalls the chart on an embedded cluster,
where it also keeps its releases. Nothing runs what it installs."""

import json
import tempfile

import yaml

from kubectl_test import Cluster, EVERYTHING, lacks
from support import CHART, NAMESPACE, only, RELEASE, render, ROOT

CHART_PATH = str(CHART.relative_to(ROOT))
SAMPLE = "config/samples/lookups-sync-map.yaml"
# A rollout of simulated pods takes seconds, and more on a machine that is busy.
ROLLOUT = ("rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=120s")
CHECKSUM = "checksum/config"


class Installed(Cluster):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        values = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        cls.addClassCleanup(values.close)
        values.write(yaml.safe_dump(EVERYTHING))
        values.flush()
        cls.values = values.name
        # The pod of `helm test` is not installed.
        cls.objects = [o for o in render(EVERYTHING) if o["kind"] != "Pod"]

    def helm(self, *arguments):
        return self.must(
            *("helm", "--kube-apiserver", self.url, "--namespace", NAMESPACE), *arguments
        )

    def releases(self):
        found = json.loads(self.helm("list", "--all", "-o", "json"))
        return [(r["name"], r["revision"], r["status"]) for r in found]

    def deployment(self):
        return self.held(yaml.safe_dump(only(self.objects, "Deployment")))[0]

    def install(self):
        said = self.helm(
            *("install", RELEASE, CHART_PATH, "--create-namespace", "--values", self.values)
        )
        self.assertIn("STATUS: deployed", said)
        self.assertEqual(self.releases(), [(RELEASE, "1", "deployed")])
        found = self.held(yaml.safe_dump_all(self.objects))
        self.assertEqual(len(found), len(self.objects))
        for held, wanted in zip(found, self.objects):
            self.assertEqual(lacks(held, wanted, wanted["kind"]), [])

    def uninstall(self):
        self.assertIn("kept due to the resource policy", self.helm("uninstall", RELEASE))
        self.assertEqual(self.releases(), [])
        kept = self.held(yaml.safe_dump_all(self.objects))
        self.assertEqual([o["kind"] for o in kept], ["CustomResourceDefinition"])

    def test_the_chart_is_installed_upgraded_rolled_back_and_uninstalled(self):
        self.install()
        self.assertIn("successfully rolled out", self.kubectl(*ROLLOUT))

        before = self.deployment()
        change = ("--reuse-values", "--set", "replicaCount=3", "--set", "config.v=2")
        self.helm("upgrade", RELEASE, CHART_PATH, *change)
        after = self.deployment()
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"])
        self.assertEqual((before["spec"]["replicas"], after["spec"]["replicas"]), (2, 3))
        sums = {d["spec"]["template"]["metadata"]["annotations"][CHECKSUM] for d in (before, after)}
        self.assertEqual(len(sums), 2)
        self.assertIn("successfully rolled out", self.kubectl(*ROLLOUT))

        self.helm("rollback", RELEASE, "1")
        self.assertEqual(self.deployment()["spec"], before["spec"])
        self.assertEqual(self.releases(), [(RELEASE, "3", "deployed")])

        self.kubectl("apply", "-f", SAMPLE)
        self.uninstall()
        self.kubectl("get", "-f", SAMPLE)
        # Over what was kept.
        self.install()

    def test_what_is_in_the_way_is_not_taken_over(self):
        account = only(self.objects, "ServiceAccount")
        self.apply([{**account, "metadata": {"name": account["metadata"]["name"]}}])
        command = ("helm", "--kube-apiserver", self.url, "install", RELEASE, CHART_PATH)
        code, _, errors = self.run_tool(*command)
        self.assertNotEqual(code, 0)
        self.assertIn("invalid ownership metadata", errors)
