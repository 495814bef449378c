"""What the chart renders is run: its command lines, its configuration and its probes, as processes
against an embedded cluster."""

import pathlib
import subprocess
import tempfile
import time
import unittest

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
    running,
    simkube,
    wait_for,
)

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

    def test_it_becomes_ready_mirrors_the_cluster_and_ends_in_time(self):
        with simkube(*CLUSTER) as cluster:
            rendered = Rendered({"apiserver": {"url": cluster}})
            process = self.become_ready(rendered)
            nodes = get_json(cluster + "/api/v1/nodes")["items"]
            state = rendered.url("api", "/state/v1/summary")
            summary = get_json(state)
            self.assertEqual(summary["nodes"]["total"], len(nodes))
            self.assertGreater(summary["pods"]["total"], 0)
            before = int(summary["revision"])
            wait_for("a later revision", lambda: int(get_json(state)["revision"]) > before)
            self.assertIn("podkeeper_build_info", get(rendered.url("metrics", "/metrics"))[1])
            began = time.monotonic()
            self.assertEqual(process.stop(), 0)
            grace = rendered.deployment["spec"]["template"]["spec"]
            self.assertLess(time.monotonic() - began, grace["terminationGracePeriodSeconds"])

    def test_with_every_resource_it_becomes_ready(self):
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
        cluster = self.enterContext(simkube(*CLUSTER))
        rendered = Rendered({"apiserver": {"url": cluster}})
        pod = only(rendered.objects, "Pod")
        host = "podkeeper.podkeeper-system.svc"
        arguments = [a.replace(host, "localhost") for a in pod["spec"]["containers"][0]["args"]]
        self.assertIn("localhost", arguments[1])
        command = [program("podkeeperd"), *arguments]
        self.assertEqual(subprocess.run(command, capture_output=True, timeout=30).returncode, 1)
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
