"""The chart refuses values that nobody can have meant, and names the key."""

import unittest

from support import helm, CHART
import yaml

# What the message must name, and the values.
BAD = [
    ("replicaCounts", {"replicaCounts": 3}),
    ("replicaCount", {"replicaCount": "three"}),
    ("replicaCount", {"replicaCount": -1}),
    ("replicaCount", {"replicaCount": 1.5}),
    ("image.pullPolicy", {"image": {"pullPolicy": "Sometimes"}}),
    ("image.digest", {"image": {"digest": "sha256:123"}}),
    ("tags", {"image": {"tags": "0.1.0"}}),
    ("image.tag", {"image": {"tag": 1.0}}),
    ("image.repository", {"image": {"repository": "Podkeeper"}}),
    ("apiserver.url", {"apiserver": {"url": "https://10.0.0.1:6443"}}),
    ("apiserver.url", {"apiserver": {"url": "http://10.0.0.1"}}),
    ("proxy", {"apiserver": {"proxy": {"enabled": True}}}),
    ("config.resources", {"config": {"resources": ["pods"]}}),
    ("config.resources.2", {"config": {"resources": ["pods", "nodes", "pods/status"]}}),
    ("config.allowSensitive", {"config": {"resources": ["pods", "nodes", "secrets"]}}),
    ("config.allowSensitive.0", {"config": {"allowSensitive": ["configmaps"]}}),
    ("config.resources", {"config": {"resources": "pods"}}),
    ("maxTask", {"config": {"maxTask": 100}}),
    ("config.maxTasks", {"config": {"maxTasks": 10}}),
    ("config.requestTimeout", {"config": {"requestTimeout": "soon"}}),
    ("config.historyBytes", {"config": {"historyBytes": "64MB"}}),
    ("config.memoryLimit", {"config": {"memoryLimit": "1GB"}}),
    ("config.loggingFormat", {"config": {"loggingFormat": "xml"}}),
    ("config.enableDebugPanic", {"config": {"enableDebugPanic": "no"}}),
    ("config.cleanUpTerminalPods", {"config": {"cleanUpTerminalPods": "on"}}),
    ("config.terminalPodTtl", {"config": {"cleanUpTerminalPods": "Enabled"}}),
    ("authMode", {"config": {"authMode": "Delegated"}}),
    ("config.v", {"config": {"v": 11}}),
    ("ports.metrics", {"ports": {"metrics": 0}}),
    ("ports.health", {"ports": {"health": 8080}}),
    ("path", {"livenessProbe": {"path": "/healthz"}}),
    ("resources.requests.memory", {"resources": {"requests": {"memory": "lots"}}}),
    ("limit", {"resources": {"limit": {"cpu": "1"}}}),
    ("podDisruptionBudget", {"podDisruptionBudget": {"minAvailable": 1}}),
    ("podDisruptionBudget.maxUnavailable", {"podDisruptionBudget": {"maxUnavailable": "half"}}),
    ("readOnlyRootFileSystem", {"securityContext": {"readOnlyRootFileSystem": True}}),
    ("podMonitor.enabled", {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}),
    ("serviceMonitor.interval", {"serviceMonitor": {"interval": "often"}}),
    ("networkPolicy.apiserverPorts", {"networkPolicy": {"apiserverPorts": []}}),
    ("extraArgs.0", {"extraArgs": ["v=4"]}),
    ("extraEnv.0", {"extraEnv": [{"value": "name is missing"}]}),
    ("nodeSelector.zone", {"nodeSelector": {"zone": 1}}),
    ("tolerations.0.effect", {"tolerations": [{"effect": "NoRun"}]}),
    ("crds.install", {"crds": {"install": True}}),
]


class BadValues(unittest.TestCase):
    def test_each_is_refused_with_the_keys_name(self):
        for key, values in BAD:
            with self.subTest(key=key, values=values):
                run = helm(
                    *("template", "podkeeper", str(CHART), "--values", "-"),
                    stdin=yaml.safe_dump(values),
                )
                self.assertNotEqual(run.returncode, 0, "accepted")
                # The schema's messages say "Additional property NAME" after the path of its parent.
                last = key.rpartition(".")[2] if "Additional" in run.stderr else key
                self.assertIn(last, run.stderr)
