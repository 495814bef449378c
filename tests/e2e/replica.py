"""podkeeperd against a real server with credentials of its own: a kubeconfig's, or those that a
kubelet mounts into a pod."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import urllib.parse

from cluster import WITH_US

from support import get, program, running, wait_for

SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
# Its log tells the ports that the kernel chose, as text or as JSON.
LISTENING = r'name"?[=:]"?{name}"?[ ,]"?address"?[=:]"?([\d.:]+)'
# Run in a mount namespace of its own: $1 is the folder to mount, the rest the program.
IN_A_POD = """
mount -t tmpfs podkeeper /run
mkdir -p {folder}
mount --bind "$1" {folder}
shift
exec {with_us} "$@"
""".format(folder=SERVICE_ACCOUNT_FOLDER, with_us=" ".join(WITH_US))


class TokenVolume:
    """The folder of a pod's service account as kubelet writes it: each file is a link through
    `..data`, itself a link, so that one rename swaps all of them."""

    def __init__(self, folder, **files):
        self.folder = pathlib.Path(folder)
        self.files = {}
        self.swaps = 0
        self.swap(**files)

    def swap(self, **files):
        """Replaces these files (token, ca_crt, namespace), all at once."""
        self.files.update(files)
        self.swaps += 1
        generation = self.folder / f"..{self.swaps}"
        generation.mkdir()
        for name, text in self.files.items():
            name = name.replace("_", ".")
            (generation / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        link = self.folder / "..data_new"
        link.symlink_to(generation.name)
        link.rename(self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self.swaps - 1}", ignore_errors=True)


def token_volume(cluster, namespace, account, **token):
    """The volume of a pod of this service account; `token` as Cluster.token takes it."""
    return TokenVolume(
        tempfile.mkdtemp(prefix=f"{account}-", dir=cluster.directory),
        token=cluster.token(namespace, account, **token),
        ca_crt=pathlib.Path(cluster.path("pki/ca.crt")).read_text(),
        namespace=namespace,
    )


class Replica:
    """A running podkeeperd."""

    def __init__(self, process, api, health):
        self.process, self.api, self.health = process, api, health

    def ready(self):
        return get(self.health + "/readyz")[0] == 200

    def metric(self, family, **labels):
        """The sum of the family's samples that have these labels; 0 where there is none."""
        _, text, _ = get(self.api + "/metrics")
        found = 0.0
        for line in text.splitlines():
            sample = re.fullmatch(rf"{family}(?:\{{(.*)\}})? (\S+)", line)
            if sample and all(f'{k}="{v}"' in (sample[1] or "") for k, v in labels.items()):
                found += float(sample[2])
        return found

    def says(self, pattern, limit_s=60):
        """The first match in its log, once there is one."""
        return wait_for(
            lambda: f"a line like {pattern} in:\n{self.log()}",
            lambda: re.search(pattern, self.process.output()),
            limit_s,
        )

    def log(self):
        """The end of its log, for a message."""
        return self.process.output()[-3000:]

    def resident_bytes(self):
        return self.metric("process_resident_memory_bytes")


@contextlib.contextmanager
def serving(*flags, prefix=(), env=None):
    """Starts podkeeperd; gives the Replica, which need not be ready yet."""
    command = (
        *(program("podkeeperd"), "--auth-mode=None", "--api-bind-address=127.0.0.1:0"),
        *("--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:0"),
        *flags,
    )
    environment = {"KUBECONFIG": "", **(env or {})}
    with running(*(prefix or WITH_US), *command, env=environment) as process:
        api, health = (
            "http://" + process.wait_for_line(LISTENING.format(name=name))[1]
            for name in ("api", "health")
        )
        yield Replica(process, api, health)


def replica(cluster, *flags, kubeconfig=None):
    """podkeeperd with a kubeconfig, the admin's unless another one is given."""
    kubeconfig = kubeconfig or cluster.path("admin.kubeconfig")
    return serving(f"--kubeconfig={kubeconfig}", *flags)


def pod(cluster, volume, *flags, url=None):
    """podkeeperd as a container of a pod is started: its credentials are the volume's files, and
    the server is known by the environment alone."""
    server = urllib.parse.urlsplit(url or cluster.url)
    unshare = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "-Urm")
    environment = {
        "KUBERNETES_SERVICE_HOST": server.hostname,
        "KUBERNETES_SERVICE_PORT": str(server.port),
    }
    prefix = (*unshare, "sh", "-ec", IN_A_POD, "sh", str(volume.folder))
    return serving(*flags, prefix=prefix, env=environment)


@contextlib.contextmanager
def kubectl_proxy(cluster):
    """A URL of the cluster without TLS and credentials, where a test wants to read along."""
    files = ("--kubeconfig", cluster.path("admin.kubeconfig"))
    with running(*WITH_US, "kubectl", *files, "proxy", "--port=0") as process:
        yield "http://" + process.wait_for_line(r"Starting to serve on (\S+)")[1]


def wait_ready(daemon, limit_s=60):
    wait_for(f"ready: {daemon.process.log.name}", daemon.ready, limit_s)
