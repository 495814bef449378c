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
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "deploy"))

from support import ROOT, running, wait_for  # noqa: E402

KUBECTL_LIMIT_S = 60
REQUEST_LIMIT_S = 60
IDLE_LIMIT_S = 30  # kube-apiserver closes a connection that is idle for 90 s
PAGE_ITEMS = 1000
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
        self.used_at = time.monotonic()

    def ask(self, method, path, body=None, content_type="application/json"):
        """(status, body as JSON, headers); a mapping or list as body is sent as JSON."""
        answer, text = self.send(method, path, body, content_type)
        return answer.status, json.loads(text), answer.headers

    def read(self, path):
        """(status, text): of what is not one JSON document."""
        answer, text = self.send("GET", path)
        return answer.status, text.decode()

    def send(self, method, path, body=None, content_type="application/json"):
        """(answer, its bytes)."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if time.monotonic() - self.used_at > IDLE_LIMIT_S:
            self.connection.close()  # request() connects again
        self.connection.request(method, path, body, {"Content-Type": content_type})
        answer = self.connection.getresponse()
        text = answer.read()
        self.used_at = time.monotonic()
        return answer, text

    def get(self, path):
        status, body, _ = self.ask("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {body}")
        return body

    def list(self, path):
        """Every item, page by page: all of them at once can take a busy server its whole minute.
        The pages are of one revision."""
        items, token = [], ""
        while True:
            page = self.get(f"{path}?limit={PAGE_ITEMS}&continue={urllib.parse.quote(token)}")
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return items


class Cluster:
    """etcd and kube-apiserver in a directory of their own, on ports of the kernel's choice."""

    def __init__(self, loaded=False, flags=()):
        """`loaded`: with the recorded pods and nodes; `flags` are kube-apiserver's."""
        self.directory = tempfile.mkdtemp(prefix="podkeeper-e2e-")
        self.resources = contextlib.ExitStack()
        self.resources.callback(shutil.rmtree, self.directory)
        arguments = [f"--apiserver-flag=--{flag}" for flag in flags]
        if loaded:
            arguments += ["--etcd-data", os.environ["PK_ETCD_DATA"]]
        try:
            self.process = self.resources.enter_context(
                running(os.environ["PK_KUBEAPI"], "up", "--dir", self.directory, *arguments)
            )
            self.url = self.process.wait_for_line(r"ready at (\S+)")[1]
        except BaseException:
            self.show_logs()
            self.resources.close()
            raise
        self.client = Client(self)

    def close(self):
        self.resources.close()

    def rotate_pki(self):
        """A new CA and new certificates of the server and the admin; the server has its own from
        its next start, at the latest."""
        self.kubeapi("pki", "--dir", self.path("pki"))

    def compact(self):
        """Forgets etcd's history."""
        self.kubeapi("compact", "--etcd", pathlib.Path(self.path("etcd.url")).read_text().strip())

    def kubeapi(self, *arguments):
        subprocess.run(
            [os.environ["PK_KUBEAPI"], *arguments], check=True, capture_output=True, timeout=60
        )

    def restart_apiserver(self, how=signal.SIGKILL):
        """Ends kube-apiserver; returns when it is back, ready, with its certificates read anew."""
        starts = self.process.output().count("ready at")
        os.kill(self.apiserver_pid(), how)
        wait_for("kube-apiserver back", lambda: self.process.output().count("ready at") > starts)
        self.client = Client(self)

    def apiserver_pid(self):
        return int(pathlib.Path(self.path("apiserver.pid")).read_text())

    @contextlib.contextmanager
    def frozen_apiserver(self):
        """It does nothing and answers nobody, but its connections stay. SIGSTOP alone is a request:
        until the thread that it wakes gets a processor, the others go on."""
        pid = self.apiserver_pid()
        tasks = pathlib.Path(f"/proc/{pid}/task")
        state = lambda stat: stat.read_text().rpartition(")")[2].split()[0]

        def stopped():
            with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
                return all(state(stat) == "T" for stat in tasks.glob("*/stat"))

        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("kube-apiserver stopped", stopped)
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def etcd_pid(self):
        return int(pathlib.Path(self.path("etcd.pid")).read_text())

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

    def token(self, namespace, account, **spec):
        """A token of this service account; `spec` is of a TokenRequest (boundObjectRef, ...)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        status, answer, _ = self.client.ask("POST", path, asked)
        if status != 201:
            raise AssertionError(f"no token for {account}: {status} {answer}")
        return answer["status"]["token"]
