"""The rights that the chart grants are what podkeeperd needs: between it and an embedded cluster
stands somebody who lets through what the rendered ClusterRole allows, as an API server with RBAC
would, and remembers what was asked for."""

import contextlib
import http.client
import http.server
import json
import tempfile
import threading
import unittest
import urllib.parse
import urllib.request

from simkube_test import CLUSTER, Rendered
from support import NAMESPACE, get, get_json, only, render, running, simkube, wait_for

POLICIES = "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies"
POLICY = {
    "apiVersion": "podkeeper.dev/v1alpha1",
    "kind": "ConcurrentMapPolicy",
    "metadata": {"name": "backend"},
    "spec": {
        "target": {"resources": ["pods"], "podSelector": {"matchLabels": {"tier": "backend"}}},
        "strategy": "LockFree",
    },
}
RENEWAL = ("coordination.k8s.io", "leases", "update")
STATUS = ("podkeeper.dev", "concurrentmappolicies/status", "patch")
# Of one connection only: not to be passed on.
HOP = {"connection", "host", "transfer-encoding", "content-length", "keep-alive"}


def attributes(method, target):
    """(group, resource, verb) of a request, or None for one that is not about a resource."""
    url = urllib.parse.urlsplit(target)
    parts = url.path.strip("/").split("/")
    if parts[0] not in ("api", "apis"):
        return None
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1:2], parts[3:])
    if not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join([rest[0], *rest[2:]])
    watches = urllib.parse.parse_qs(url.query).get("watch", ["0"])[0] in ("1", "true")
    reads = "get" if len(rest) > 1 else "watch" if watches else "list"
    verbs = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
    return "".join(group), resource, verbs.get(method, reads)


class Gate(http.server.BaseHTTPRequestHandler):
    """Passes on what the rules allow; 403 for the rest."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = attributes(self.command, self.path)
        if asked:
            self.server.asked.add(asked)
        if asked and asked not in self.server.rights:
            self.server.refused.add(asked)
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        # A watch that is cut, from either side, is how watches end.
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.pass_on(body)

    def pass_on(self, body):
        self.close_connection = True
        upstream = http.client.HTTPConnection(self.server.cluster, timeout=60)
        with contextlib.closing(upstream):
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            upstream.request(self.command, self.path, body or None, headers)
            response = upstream.getresponse()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in HOP | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Connection", "close")
            self.end_headers()
            while data := response.read1(65536):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer


@contextlib.contextmanager
def gate(cluster, rights):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    server.daemon_threads, server.block_on_close = True, False
    server.cluster, server.rights = cluster.removeprefix("http://"), rights
    server.asked, server.refused = set(), set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def granted():
    """Every (group, resource, verb) of the rendered ClusterRole and Role."""
    objects = render()
    roles = [only(objects, "ClusterRole", "podkeeper-system-podkeeper"), only(objects, "Role")]
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


class Rights(unittest.TestCase):
    @contextlib.contextmanager
    def policy_followed(self, rights):
        """A podkeeperd with these rights and a policy: gives the gate and the cluster's URL."""
        with simkube(*CLUSTER) as cluster, gate(cluster, rights) as server:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            # Where the leader's Lease goes.
            self.create(cluster, "/api/v1/namespaces", {
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}
            })
            rendered = Rendered({"apiserver": {"url": url}})
            with tempfile.TemporaryDirectory() as folder, running(*rendered.command(folder)):
                wait_for("ready", lambda: get(rendered.url("health", "/readyz"))[0] == 200)
                self.create(cluster, POLICIES, POLICY)
                maps = rendered.url("api", "/state/v1/maps")
                wait_for("the policy's map", lambda: "pods~backend" in get(maps)[1])
                yield server, cluster

    def create(self, cluster, path, body):
        request = urllib.request.Request(
            cluster + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def status(self, cluster):
        return get_json(f"{cluster}{POLICIES}/backend").get("status", {})

    def test_they_are_enough_to_mirror_and_to_follow_policies(self):
        with self.policy_followed(granted()) as (server, cluster):
            wait_for("a status", lambda: self.status(cluster).get("activeStrategy") == "LockFree")
            wait_for("an Event", lambda: ("events.k8s.io", "events", "create") in server.asked)
            self.assertEqual(server.refused, set())

    def test_without_the_right_to_a_status_the_policy_is_followed_and_tells_nothing(self):
        with self.policy_followed(granted() - {STATUS}) as (server, cluster):
            wait_for("a refusal", lambda: STATUS in server.refused)
            self.assertEqual(server.refused, {STATUS})
            self.assertNotIn("activeStrategy", self.status(cluster))

    def test_nothing_is_granted_that_is_never_asked_for(self):
        with self.policy_followed(granted()) as (server, _):
            wait_for("an Event", lambda: ("events.k8s.io", "events", "create") in server.asked)
            wait_for("a renewal", lambda: RENEWAL in server.asked)
            # Rare: a patch of Events, to count what is told again. With list and watch, get is
            # granted by custom.
            settles = {(group, resource, "get") for group, resource, _ in granted()}
            settles.add(("events.k8s.io", "events", "patch"))
            self.assertLessEqual(granted() - settles, server.asked)
