"""A real kube-apiserver with a real etcd, for one test class: started, asked, and ended.

The program and the loaded etcd directory come from scripts/setup-e2e, through PK_KUBEAPI and
PK_ETCD_DATA (scripts/test-e2e sets both). What is shared with tests/deploy comes from there.
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "deploy"))

from support import free_port, get, program, ROOT, running, wait_for  # noqa: E402

KUBECTL_LIMIT_S = 60
REQUEST_LIMIT_S = 60
# A child of this process ends with it, however it ends.
WITH_US = ("setpriv", "--pdeathsig", "KILL")
POLICIES = "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies"
CRD = ROOT / "config/crd/bases/podkeeper.dev_concurrentmappolicies.yaml"


class Client:
    """One connection with the admin's certificate; not for two threads at once."""

    def __init__(self, cluster):
        context = ssl.create_default_context(cafile=cluster.path("pki/ca.crt"))
        context.load_cert_chain(cluster.path("pki/admin.crt"), cluster.path("pki/admin.key"))
        host = urllib.parse.urlsplit(cluster.url)
        self.connection = http.client.HTTPSConnection(
            host.hostname, host.port, context=context, timeout=REQUEST_LIMIT_S
        )

    def ask(self, method, path, body=None, content_type="application/json"):
        """(status, body as JSON, headers); a mapping or list as body is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request(method, path, body, {"Content-Type": content_type})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers

    def get(self, path):
        status, body, _ = self.ask("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {body}")
        return body


class Cluster:
    """etcd and kube-apiserver in a directory of their own, on ports of the kernel's choice."""

    def __init__(self, loaded=False):
        self.directory = tempfile.mkdtemp(prefix="podkeeper-e2e-")
        self.resources = contextlib.ExitStack()
        self.resources.callback(shutil.rmtree, self.directory)
        data = ("--etcd-data", os.environ["PK_ETCD_DATA"]) if loaded else ()
        try:
            self.process = self.resources.enter_context(
                running(os.environ["PK_KUBEAPI"], "up", "--dir", self.directory, *data)
            )
            self.url = self.process.wait_for_line(r"ready at (\S+)")[1]
        except BaseException:
            self.show_logs()
            self.resources.close()
            raise
        self.client = Client(self)

    def close(self):
        self.resources.close()

    def show_logs(self):
        for log in pathlib.Path(self.directory).glob("*.log"):
            print(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-20:]))

    def path(self, name):
        return str(pathlib.Path(self.directory) / name)

    def kubectl(self, *arguments, stdin=None, kubeconfig=None):
        """Runs kubectl as the admin, or as a kubeconfig has it; gives the finished process."""
        kubeconfig = kubeconfig or self.path("admin.kubeconfig")
        files = ("--kubeconfig", kubeconfig, "--cache-dir", self.path("kubectl"))
        return subprocess.run(
            ["kubectl", *files, *arguments],
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=KUBECTL_LIMIT_S,
        )

    def must(self, *arguments, stdin=None):
        """What kubectl prints; it has to succeed."""
        run = self.kubectl(*arguments, stdin=stdin)
        if run.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {run.stderr}")
        return run.stdout

    def apply_crd(self):
        self.must("apply", "-f", str(CRD))
        self.must("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRD))

    def create_namespace(self, name):
        """A namespace with its default service account, which no controller makes here."""
        self.must("create", "namespace", name)
        self.must("create", "serviceaccount", "default", "--namespace", name)

    def kubeconfig_of(self, namespace, account):
        """The path of a kubeconfig with a token of this service account and nothing else."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        status, answer, _ = self.client.ask("POST", path, asked)
        if status != 201:
            raise AssertionError(f"no token for {account}: {status} {answer}")
        token = answer["status"]["token"]
        path = self.path(f"{account}.kubeconfig")
        set_to = lambda *words: self.kubectl("config", *words, kubeconfig=path)
        set_to("set-cluster", "e2e", f"--server={self.url}",
               f"--certificate-authority={self.path('pki/ca.crt')}")  # fmt: skip
        set_to("set-credentials", account, f"--token={token}")
        set_to("set-context", "e2e", "--cluster=e2e", f"--user={account}")
        set_to("use-context", "e2e")
        return path


@contextlib.contextmanager
def proxy(cluster, kubeconfig=None):
    """A kubectl proxy to the cluster; gives its URL."""
    kubeconfig = kubeconfig or cluster.path("admin.kubeconfig")
    command = ("kubectl", "--kubeconfig", kubeconfig, "proxy", "--port=0")
    with running(*WITH_US, *command) as process:
        yield "http://" + process.wait_for_line(r"Starting to serve on (\S+)")[1]


class Replica:
    """A podkeeperd that mirrors the API server at a URL."""

    def __init__(self, process, api, health):
        self.process, self.api, self.health = process, api, health

    def ready(self):
        return get(self.health + "/readyz")[0] == 200


@contextlib.contextmanager
def replica(apiserver, *flags):
    """Starts podkeeperd; gives the Replica, which need not be ready yet."""
    api, health = free_port(), free_port()
    command = (
        *(program("podkeeperd"), f"--apiserver={apiserver}", "--auth-mode=None"),
        *(f"--api-bind-address=127.0.0.1:{api}", "--metrics-bind-address=0"),
        f"--health-probe-bind-address=127.0.0.1:{health}",
        *flags,
    )
    with running(*WITH_US, *command) as process:
        yield Replica(process, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{health}")


def wait_ready(daemon, limit_s=60):
    wait_for(f"ready: {daemon.process.log.name}", daemon.ready, limit_s)
