"""Who podkeeperd is to a test's cluster: accounts, their tokens, kubeconfigs of any shape, and what
it says of them."""

import base64
import json
import pathlib
import tempfile
import unittest

from cluster import Cluster
from proxy import FaultProxy

from support import wait_for

NAMESPACE = "default"
ACCOUNT = "reader"
# kubelet's and client-go's minute.
SEEN_LIMIT_S = 60


def add_reader(cluster):
    """A service account that may read everything."""
    cluster.must("create", "serviceaccount", ACCOUNT, "--namespace", NAMESPACE)
    cluster.must(
        *("create", "clusterrolebinding", ACCOUNT, "--clusterrole=cluster-admin"),
        f"--serviceaccount={NAMESPACE}:{ACCOUNT}",
    )


def reader_token(cluster):
    add_reader(cluster)
    return cluster.token(NAMESPACE, ACCOUNT)


def revocable_token(cluster, secret):
    """A token of the reader that is good for as long as this Secret, made here, exists."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}}
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
    status, answer, _ = cluster.client.ask("POST", path, body)
    if status != 201:
        raise AssertionError(f"no Secret {secret}: {status} {answer}")
    bound = {"kind": "Secret", "apiVersion": "v1", "name": secret}
    return cluster.token(NAMESPACE, ACCOUNT, boundObjectRef=bound)


def revoke(cluster, secret):
    status, answer, _ = cluster.client.ask(
        "DELETE", f"/api/v1/namespaces/{NAMESPACE}/secrets/{secret}"
    )
    if status != 200:
        raise AssertionError(f"Secret {secret} stays: {status} {answer}")


def encoded(fields):
    """Fields whose names end with -data hold base64."""
    return {
        key: base64.b64encode(value.encode()).decode() if key.endswith("-data") else value
        for key, value in fields.items()
    }


def kubeconfig(cluster, cluster_fields, user_fields):
    """The path of a kubeconfig with one context; JSON is YAML."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": encoded(cluster_fields)}],
        "users": [{"name": "user", "user": encoded(user_fields)}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "user"}}],
        "current-context": "e2e",
    }
    folder = tempfile.mkdtemp(prefix="kubeconfig-", dir=cluster.directory)
    path = pathlib.Path(folder) / "config"
    path.write_text(json.dumps(config))
    return str(path)


def refused(daemon):
    """How many requests the server answered 401."""
    return daemon.metric("rest_client_requests_total", code="401")


def follows(daemon):
    """Whether both mirrors have a living watch."""
    return all(
        daemon.metric("podkeeper_reflector_synced", resource=r) == 1 for r in ("pods", "nodes")
    )


class Credentials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        add_reader(cls.cluster)
        cls.authority = pathlib.Path(cls.cluster.path("pki/ca.crt")).read_text()

    def proxied(self):
        return self.enterContext(FaultProxy(self.cluster.url))

    def as_user(self, user, **cluster):
        """A kubeconfig of the cluster with these fields of a user."""
        cluster = {
            "server": self.cluster.url, "certificate-authority-data": self.authority, **cluster
        }  # fmt: skip
        return kubeconfig(self.cluster, cluster, user)

    def wait_refused(self, token):
        """Until the server does not know a token any more, which it remembers for a while."""
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        path = "/apis/authentication.k8s.io/v1/tokenreviews"

        def gone():
            status, answer, _ = self.cluster.client.ask("POST", path, review)
            self.assertEqual(status, 201, answer)
            return not answer["status"].get("authenticated")

        wait_for("the token refused", gone)
