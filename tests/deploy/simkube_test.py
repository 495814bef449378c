"""What the chart renders is run: its command lines, its configuration and its probes, as processes
against an embedded cluster."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import yaml

from support import (
    ci_values,
    free_port,
    get,
    get_json,
    only,
    Process,
    program,
    render,
    ROOT,
    running,
    simkube,
    wait_for,
)

SAMPLES = ROOT / "config/samples"
CLUSTER = ("--nodes=5", "--pods=80", "--churn=5")


def container(deployment, name):
    spec = deployment["spec"]["template"]["spec"]
    return next(c for c in spec["containers"] if c["name"] == name)


class Rendered:
    """A rendering with free ports, and what a kubelet would run of it."""

    def __init__(self, values):
        self.ports = {"api": free_port(), "metrics": free_port(), "health": free_port()}
        objects = render({**values, "ports": self.ports})
        self.objects = objects
        self.deployment = only(objects, "Deployment")
        self.daemon = container(self.deployment, "podkeeperd")
        self.config = only(objects, "ConfigMap", "podkeeper")["data"]["config.yaml"]

    def command(self, folder):
        """podkeeperd's command line; the mounted file is one in `folder`."""
        path = pathlib.Path(folder) / "config.yaml"
        path.write_text(self.config)
        mounted = "/etc/podkeeper/config.yaml"
        arguments = [a.replace(mounted, str(path)) for a in self.daemon["args"]]
        return [program("podkeeperd"), *arguments]

    def probe(self, name):
        """What the kubelet gets from a probe: the status."""
        action = self.daemon[name]["httpGet"]
        port = next(p for p in self.daemon["ports"] if p["name"] == action["port"])
        return get(f"http://127.0.0.1:{port['containerPort']}{action['path']}")[0]

    def limit_s(self, name):
        return self.daemon[name]["periodSeconds"] * self.daemon[name]["failureThreshold"]

    def url(self, port, path):
        return f"http://127.0.0.1:{self.ports[port]}{path}"


class AsAProcess(unittest.TestCase):
    def become_ready(self, rendered):
        """Starts podkeeperd, and gives it when its probes say what the kubelet waits for."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        process = Process(*rendered.command(folder.name))
        self.addCleanup(process.stop)
        limit = rendered.limit_s("startupProbe")
        wait_for("startup", lambda: rendered.probe("startupProbe") == 200, limit)
        wait_for("ready", lambda: rendered.probe("readinessProbe") == 200, limit)
        self.assertEqual(rendered.probe("livenessProbe"), 200)
        return process

    def test_beside_kubectl_proxy_it_becomes_ready_and_mirrors_the_cluster(self):
        proxy_port = free_port()
        rendered = Rendered({"apiserver": {"proxy": {"port": proxy_port}}})
        proxy = container(rendered.deployment, "apiserver-proxy")
        environment = {"KUBECONFIG": os.devnull}
        with simkube(*CLUSTER) as cluster:
            with running("kubectl", "-s", cluster, *proxy["args"], env=environment):
                process = self.become_ready(rendered)
                nodes = get_json(cluster + "/api/v1/nodes")["items"]
                state = rendered.url("api", "/state/v1/summary")
                summary = get_json(state)
                self.assertEqual(summary["nodes"]["total"], len(nodes))
                self.assertGreater(summary["pods"]["total"], 0)
                # Watches come through the proxy as well.
                before = int(summary["revision"])
                wait_for("a later revision", lambda: int(get_json(state)["revision"]) > before)
                self.assertIn("podkeeper_build_info", get(rendered.url("metrics", "/metrics"))[1])
                began = time.monotonic()
                self.assertEqual(process.stop(), 0)
                grace = rendered.deployment["spec"]["template"]["spec"]
                self.assertLess(time.monotonic() - began, grace["terminationGracePeriodSeconds"])

    def test_with_a_url_of_ones_own_and_every_resource_it_becomes_ready(self):
        with simkube(*CLUSTER) as cluster:
            values = ci_values()["all-resources-values"]
            rendered = Rendered({**values, "apiserver": {"url": cluster}})
            self.become_ready(rendered)
            deployments = get_json(rendered.url("api", "/apis/apps/v1/deployments"))
            self.assertGreater(len(deployments["items"]), 0)

    def test_without_an_api_server_it_lives_and_is_not_ready(self):
        rendered = Rendered({"apiserver": {"url": f"http://127.0.0.1:{free_port()}"}})
        with tempfile.TemporaryDirectory() as folder:
            with running(*rendered.command(folder)):
                wait_for("startup", lambda: rendered.probe("startupProbe") == 200)
                self.assertEqual(rendered.probe("livenessProbe"), 200)
                self.assertEqual(rendered.probe("readinessProbe"), 500)

    def test_helm_tests_pod_asks_readyz_and_fails_while_it_is_not_ok(self):
        rendered = Rendered({})
        pod = only(rendered.objects, "Pod")
        host = "podkeeper.podkeeper-system.svc"
        arguments = [a.replace(host, "localhost") for a in pod["spec"]["containers"][0]["args"]]
        self.assertIn("localhost", arguments[1])
        command = [program("podkeeperd"), *arguments]
        self.assertEqual(subprocess.run(command, capture_output=True, timeout=30).returncode, 1)
        with simkube(*CLUSTER) as cluster:
            rendered.config = rendered.config.replace("http://127.0.0.1:8001", cluster)
            self.become_ready(rendered)
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_rendered_configuration_is_valid(self):
        for name, values in ci_values().items():
            if "fullnameOverride" in values:
                values = {**values, "fullnameOverride": "podkeeper"}
            with self.subTest(values=name), tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "config.yaml"
                path.write_text(Rendered(values).config)
                command = [program("podkeeperd"), "validate-config", str(path)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 0, done.stderr)


class AsObjects(unittest.TestCase):
    """The embedded cluster accepts every rendered object of a kind that it serves."""

    def served(self, cluster, api_version):
        """Plural and scope by kind, as discovery has them; empty where the group is not served."""
        root = "/api/" if "/" not in api_version else "/apis/"
        status, body, _ = get(cluster + root + api_version)
        if status != 200:
            return {}
        listed = json.loads(body)["resources"]
        return {r["kind"]: r for r in listed if "/" not in r["name"]}

    def create(self, cluster, resource, item):
        root = "/api/" if "/" not in item["apiVersion"] else "/apis/"
        path = root + item["apiVersion"]
        if resource["namespaced"]:
            path += f"/namespaces/{item['metadata']['namespace']}"
        request = urllib.request.Request(
            f"{cluster}{path}/{resource['name']}",
            data=json.dumps(item).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def test_each_is_created_where_its_kind_is_served(self):
        namespace = {"apiVersion": "v1", "kind": "Namespace"}
        namespace["metadata"] = {"name": "podkeeper-system"}
        monitoring = {"serviceMonitor": {"enabled": True}, "networkPolicy": {"enabled": True}}
        created, unserved = set(), set()
        with simkube(*CLUSTER) as cluster:
            for item in [namespace, *render(monitoring)]:
                resource = self.served(cluster, item["apiVersion"]).get(item["kind"])
                if resource is None or "create" not in resource["verbs"]:
                    unserved.add(item["kind"])
                    continue
                if item["kind"] == "CustomResourceDefinition":
                    # It is born with this one: make room for what the chart renders.
                    path = f"{cluster}/apis/{item['apiVersion']}/{resource['name']}"
                    get(f"{path}/{item['metadata']['name']}", method="DELETE")
                status, body = self.create(cluster, resource, item)
                self.assertEqual(status, 201, f"{item['kind']}: {body}")
                created.add(item["kind"])
        print(f"\n    created {sorted(created)}; not served by simkube: {sorted(unserved)}")
        served = {"Namespace", "Deployment", "Pod", "CustomResourceDefinition"}
        self.assertLessEqual(served, created)

    def test_samples_are_accepted_by_the_definition_that_the_chart_renders(self):
        definition = only(render(), "CustomResourceDefinition")
        samples = [yaml.safe_load(p.read_text()) for p in sorted(SAMPLES.glob("*-*.yaml"))]
        self.assertGreaterEqual(len(samples), 6)
        with simkube(*CLUSTER) as cluster:
            root = f"{cluster}/apis/{definition['apiVersion']}/customresourcedefinitions"
            get(f"{root}/{definition['metadata']['name']}", method="DELETE")
            resource = {"name": "customresourcedefinitions", "namespaced": False}
            self.assertEqual(self.create(cluster, resource, definition)[0], 201)
            policies = definition["spec"]["names"]["plural"]
            resource = {"name": policies, "namespaced": False}
            for sample in samples:
                with self.subTest(sample=sample["metadata"]["name"]):
                    served = lambda: get(f"{cluster}/apis/{sample['apiVersion']}/{policies}")[0]
                    wait_for("the new resource", lambda: served() == 200)
                    status, body = self.create(cluster, resource, sample)
                    self.assertEqual(status, 201, body)
