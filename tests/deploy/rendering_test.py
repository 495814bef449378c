"""What no single template shows: what changes with what, and what stays."""

import unittest

from support import ci_values, only, render


def pods(values=None):
    return only(render(values), "Deployment")["spec"]["template"]


class Rendering(unittest.TestCase):
    def test_the_same_values_render_the_same(self):
        self.assertEqual(render(), render())

    def test_a_change_of_the_configuration_rolls_the_pods_and_nothing_else_does(self):
        checksum = "checksum/config"
        before = pods()["metadata"]["annotations"][checksum]
        for values in ({"config": {"v": 1}}, {"ports": {"api": 6444}}):
            self.assertNotEqual(pods(values)["metadata"]["annotations"][checksum], before)
        self.assertEqual(pods({"replicaCount": 5})["metadata"]["annotations"][checksum], before)

    def test_a_new_version_keeps_every_selector(self):
        def selectors(objects):
            for o in objects:
                spec = o.get("spec") or {}
                yield o["kind"], spec.get("selector"), spec.get("podSelector")

        values = {"networkPolicy": {"enabled": True}, "serviceMonitor": {"enabled": True}}
        for _, selector, pod_selector in selectors(render(values)):
            for each in (selector, pod_selector):
                self.assertNotIn("version", str(each))
                self.assertNotIn("helm.sh/chart", str(each))

    def test_selectors_select_the_pods(self):
        for name, values in ci_values().items():
            with self.subTest(values=name):
                objects = render(values)
                labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
                service = only(objects, "Service")
                self.assertLessEqual(service["spec"]["selector"].items(), labels.items())
                self.assertLessEqual(
                    only(objects, "Deployment")["spec"]["selector"]["matchLabels"].items(),
                    labels.items(),
                )

    def test_every_object_has_a_name_of_its_own(self):
        for name, values in ci_values().items():
            with self.subTest(values=name):
                names = [(o["kind"], o["metadata"]["name"]) for o in render(values)]
                self.assertEqual(len(names), len(set(names)))
