"""The real helm installs, upgrades, rolls back and uninstalls the chart on an embedded cluster."""

import json
import tempfile

import yaml

from kubectl_test import Cluster, EVERYTHING, lacks
from support import CHART, NAMESPACE, only, RELEASE, render, ROOT

# A rollout of simulated pods takes seconds, and more on a machine that is busy.
ROLLOUT_LIMIT = "--timeout=120s"


class Installed(Cluster):
    def read(self, item):
        return json.loads(self.kubectl("get", "-f", "-", "-o", "json", stdin=yaml.safe_dump(item)))

    def helm(self, *arguments):
        return self.must(
            *("helm", "--kube-apiserver", self.url, "--namespace", NAMESPACE), *arguments
        )

    def releases(self):
        found = json.loads(self.helm("list", "--all", "-o", "json"))
        return [(r["name"], r["revision"], r["status"]) for r in found]

    def deployment(self):
        return self.read(only(render(), "Deployment"))

    def test_the_chart_is_installed_upgraded_rolled_back_and_uninstalled(self):
        chart = (RELEASE, str(CHART.relative_to(ROOT)))
        values = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self.addCleanup(values.close)
        values.write(yaml.safe_dump(EVERYTHING))
        values.flush()

        said = self.helm("install", *chart, "--create-namespace", "--values", values.name)
        self.assertIn("STATUS: deployed", said)
        self.assertEqual(self.releases(), [(RELEASE, "1", "deployed")])
        installed = [o for o in render(EVERYTHING) if o["kind"] != "Pod"]
        for item in installed:
            with self.subTest(kind=item["kind"], name=item["metadata"]["name"]):
                self.assertEqual(lacks(self.read(item), item), [])
        rollout = ("rollout", "status", "deployment/podkeeper", "-n", NAMESPACE, ROLLOUT_LIMIT)
        self.assertIn("successfully rolled out", self.kubectl(*rollout))

        before = self.deployment()
        change = ("--reuse-values", "--set", "replicaCount=3", "--set", "config.v=2")
        self.helm("upgrade", *chart, *change)
        after = self.deployment()
        self.assertEqual(after["spec"]["replicas"], 3)
        self.assertEqual(after["metadata"]["uid"], before["metadata"]["uid"])
        checksums = [
            d["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for d in (before, after)
        ]
        self.assertNotEqual(*checksums)
        self.assertIn("successfully rolled out", self.kubectl(*rollout))

        self.helm("rollback", RELEASE, "1")
        self.assertEqual(lacks(self.deployment()["spec"], before["spec"]), [])
        self.assertEqual(self.releases(), [(RELEASE, "3", "deployed")])

        sample = str(ROOT / "config/samples/lookups-sync-map.yaml")
        self.kubectl("apply", "-f", sample)
        self.assertIn("kept due to the resource policy", self.helm("uninstall", RELEASE))
        self.assertEqual(self.releases(), [])
        kept = [o for o in installed if o["kind"] == "CustomResourceDefinition"]
        for item in installed:
            if item not in kept:
                with self.assertRaisesRegex(AssertionError, "NotFound", msg=item["kind"]):
                    self.read(item)
        self.kubectl("get", "-f", sample)

        with self.subTest("installed again, over what was kept"):
            self.helm("install", *chart)
            self.assertEqual(self.releases(), [(RELEASE, "1", "deployed")])
