"""Every pod that the chart and config/ make satisfies the Pod Security Standard "restricted".

The rules are those of the standard's page in Kubernetes' documentation (Pod Security Standards,
v1.32), written here again, so that no cluster is needed to know.
"""

import copy
import unittest

from support import ci_values, kustomize, render

# The only kinds of volume that restricted allows.
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t"}
SELINUX_TYPES |= {"container_engine_t"}
APPARMOR = {"RuntimeDefault", "Localhost"}


def containers_of(spec):
    for key in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(key) or []


def container_violations(container, pod_context):
    """What breaks the standard in one container; the pod's context counts where it is silent."""
    name, context = container["name"], container.get("securityContext") or {}
    effective = {**pod_context, **context}
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        yield f"{name}: privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{name}: capabilities.drop lacks ALL"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities.add"
    if effective.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot is not true"
    if effective.get("runAsUser") == 0:
        yield f"{name}: runAsUser is 0"
    if (effective.get("seccompProfile") or {}).get("type") not in SECCOMP:
        yield f"{name}: seccompProfile"
    if context.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"{name}: hostPort"
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        handler = container.get(key) or {}
        if any("host" in (handler.get(h) or {}) for h in ("httpGet", "tcpSocket")):
            yield f"{name}: {key} names a host"


def context_violations(where, context):
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{where}: seLinuxOptions"
    if (context.get("appArmorProfile") or {"type": "RuntimeDefault"})["type"] not in APPARMOR:
        yield f"{where}: appArmorProfile"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{where}: hostProcess"


def violations(spec):
    """What breaks the standard in a pod's spec."""
    pod_context = spec.get("securityContext") or {}
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for volume in spec.get("volumes") or []:
        if set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']}"
    for sysctl in pod_context.get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from context_violations("pod", pod_context)
    for container in containers_of(spec):
        yield from context_violations(container["name"], container.get("securityContext") or {})
        yield from container_violations(container, pod_context)


def pod_specs(objects):
    for o in objects:
        if o["kind"] == "Pod":
            yield f"Pod {o['metadata']['name']}", o["spec"]
        elif "template" in (o.get("spec") or {}):
            yield f"{o['kind']} {o['metadata']['name']}", o["spec"]["template"]["spec"]


class Restricted(unittest.TestCase):
    def check(self, objects, at_least):
        specs = list(pod_specs(objects))
        self.assertGreaterEqual(len(specs), at_least)
        for name, spec in specs:
            self.assertEqual(list(violations(spec)), [], name)

    def test_every_rendering_of_the_chart(self):
        renderings = ci_values()
        self.assertGreaterEqual(len(renderings), 10)
        for name, values in renderings.items():
            with self.subTest(values=name):
                self.check(render(values), at_least=2)

    def test_config_default(self):
        self.check(kustomize("config/default"), at_least=1)

    def test_the_root_file_system_is_read_only_and_the_token_only_podkeeperds(self):
        for name, values in ci_values().items():
            for _, spec in pod_specs(render(values)):
                self.assertIs(spec["automountServiceAccountToken"], False, name)
                own = [c for c in spec["containers"] if c["name"] != "sidecar"]
                for container in own:
                    self.assertIs(container["securityContext"]["readOnlyRootFilesystem"], True)
                for container in spec["containers"] + (spec.get("initContainers") or []):
                    mounts = {m["name"] for m in container.get("volumeMounts") or []}
                    if container["name"] != "podkeeperd":
                        self.assertNotIn("apiserver-token", mounts, name)


# How a sound pod is broken, and what the check must then say.
BREAKS = [
    ("hostNetwork", lambda s: s.update(hostNetwork=True)),
    ("hostPID", lambda s: s.update(hostPID=True)),
    ("volume", lambda s: s["volumes"].append({"name": "host", "hostPath": {"path": "/"}})),
    ("sysctl", lambda s: s["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}])),
    ("seccomp", lambda s: s["securityContext"].pop("seccompProfile")),
    ("seLinux", lambda s: s["securityContext"].update(seLinuxOptions={"type": "spc_t"})),
    ("appArmor", lambda s: s["securityContext"].update(appArmorProfile={"type": "Unconfined"})),
    ("privileged", lambda s: s["containers"][0]["securityContext"].update(privileged=True)),
    ("runAsUser", lambda s: s["containers"][0]["securityContext"].update(runAsUser=0)),
    ("runAsNonRoot", lambda s: s["containers"][0]["securityContext"].update(runAsNonRoot=False)),
    ("drop", lambda s: s["containers"][0]["securityContext"].pop("capabilities")),
    ("hostPort", lambda s: s["containers"][0]["ports"][0].update(hostPort=80)),
    ("Escalation", lambda s: s["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")),
    ("host", lambda s: s["containers"][0]["livenessProbe"]["httpGet"].update(host="10.0.0.1")),
]


class TheCheckItself(unittest.TestCase):
    def test_it_finds_each_planted_fault(self):
        sound = next(spec for name, spec in pod_specs(render()) if name.startswith("Deployment"))
        for word, break_it in BREAKS:
            with self.subTest(word=word):
                spec = copy.deepcopy(sound)
                break_it(spec)
                found = list(violations(spec))
                self.assertTrue(any(word in f for f in found), found)
