"""config/ says the same as the chart: two ways to one deployment, compared object by object."""

import copy
import pathlib
import shutil
import tempfile
import unittest

import yaml

from support import ROOT, kustomize, only, render

# Names and labels differ by what each tool adds; the hash is kustomize's way to roll the pods.
CHART_VALUES = {"networkPolicy": {"enabled": True}, "serviceMonitor": {"enabled": True}}
CHART_VALUES["prometheusRule"] = {"enabled": True}


def chart(kind, name=None):
    return only(render(CHART_VALUES), kind, name)


class ConfigIsTheChart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.default = kustomize("config/default")
        cls.monitoring = kustomize("config/prometheus")
        cls.network = kustomize("config/network-policy")

    def test_the_pods_are_the_same(self):
        ours = copy.deepcopy(only(self.default, "Deployment")["spec"])
        theirs = chart("Deployment")["spec"]
        for spec in (ours, theirs):
            del spec["template"]["metadata"]
            for volume in spec["template"]["spec"]["volumes"]:
                if volume["name"] == "config":
                    volume["configMap"]["name"] = "config"
        self.assertEqual(ours, theirs)

    def test_the_pods_carry_the_labels_that_select_them(self):
        spec = only(self.default, "Deployment")["spec"]
        labels = spec["template"]["metadata"]["labels"]
        self.assertLessEqual(spec["selector"]["matchLabels"].items(), labels.items())

    def test_the_configuration_is_the_same(self):
        ours = only(self.default, "ConfigMap")
        theirs = only(render(CHART_VALUES), "ConfigMap", "podkeeper")
        self.assertEqual(
            yaml.safe_load(ours["data"]["config.yaml"]),
            yaml.safe_load(theirs["data"]["config.yaml"]),
        )
        mounted = only(self.default, "Deployment")["spec"]["template"]["spec"]["volumes"][0]
        self.assertEqual(mounted["configMap"]["name"], ours["metadata"]["name"])

    def test_the_rights_are_the_same(self):
        ours = only(self.default, "ClusterRole", "podkeeper")
        theirs = chart("ClusterRole", "podkeeper-system-podkeeper")
        self.assertEqual(ours["rules"], theirs["rules"])
        election = only(self.default, "Role")
        self.assertEqual(election["rules"], chart("Role")["rules"])
        self.assertEqual(
            only(self.default, "RoleBinding")["subjects"], chart("RoleBinding")["subjects"]
        )
        viewer = only(self.default, "ClusterRole", "podkeeper-view")
        self.assertEqual(
            viewer["rules"], chart("ClusterRole", "podkeeper-system-podkeeper-view")["rules"]
        )
        self.assertEqual(
            only(self.default, "ClusterRoleBinding")["subjects"],
            chart("ClusterRoleBinding")["subjects"],
        )

    def test_pods_are_deleted_only_with_the_component_for_it(self):
        base = ROOT / "config/default/kustomization.yaml"
        switched_on = {**yaml.safe_load(base.read_text()), "components": ["../pod-clean-up"]}
        with tempfile.TemporaryDirectory() as folder:
            tree = shutil.copytree(ROOT / "config", f"{folder}/config")
            pathlib.Path(tree, "default/kustomization.yaml").write_text(
                yaml.safe_dump(switched_on)
            )
            ours = kustomize(f"{tree}/default")
        values = {"config": {"cleanUpTerminalPods": "Enabled", "terminalPodTtl": "24h"}}
        theirs = only(render(values), "ClusterRole", "podkeeper-system-podkeeper")["rules"]
        rules = lambda name: only(ours, "ClusterRole", name)["rules"]
        self.assertCountEqual(rules("podkeeper") + rules("podkeeper-pod-clean-up"), theirs)
        bindings = [o for o in ours if o["kind"] == "ClusterRoleBinding"]
        subjects = chart("ClusterRoleBinding")["subjects"]
        self.assertEqual([b["subjects"] for b in bindings], [subjects] * 2)
        arguments = only(ours, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
        self.assertEqual(
            arguments[2:], ["--clean-up-terminal-pods=Enabled", "--terminal-pod-ttl=24h"]
        )

    def test_service_budget_network_policy_and_rules_are_the_same(self):
        for objects, kind in (
            (self.default, "Service"),
            (self.default, "PodDisruptionBudget"),
            (self.network, "NetworkPolicy"),
            (self.monitoring, "PrometheusRule"),
        ):
            with self.subTest(kind=kind):
                self.assertEqual(only(objects, kind)["spec"], chart(kind)["spec"])

    def test_the_monitor_finds_the_service(self):
        ours = only(self.monitoring, "ServiceMonitor")["spec"]
        service = only(self.default, "Service")
        self.assertLessEqual(
            ours["selector"]["matchLabels"].items(), service["metadata"]["labels"].items()
        )
        self.assertEqual(ours["jobLabel"], chart("ServiceMonitor")["spec"]["jobLabel"])

    def test_there_is_one_custom_resource_definition(self):
        ours = only(self.default, "CustomResourceDefinition")
        self.assertEqual(ours["spec"], chart("CustomResourceDefinition")["spec"])

    def test_the_samples_are_policies(self):
        samples = kustomize("config/samples")
        self.assertGreaterEqual(len(samples), 6)
        self.assertEqual({o["kind"] for o in samples}, {"ConcurrentMapPolicy"})
