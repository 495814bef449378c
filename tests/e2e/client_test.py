"""podkeeperd's own requests to a real server: gzip lists, the state by a watch, and back to LIST
where that is refused."""

import contextlib
import re
import socket
import threading
import unittest
import urllib.parse

from cluster import Cluster
from compare import differing, digests
from replica import kubectl_proxy, serving, wait_ready

from support import get_json, wait_for

CONVERGED_LIMIT_S = 30
GATE = "--feature-gates=WatchListClient=true"
POD_COUNT = 10000


class Relay:
    """Passes connections on to a server and notes what is asked and how it is answered. `edit`
    may change what goes up."""

    def __init__(self, url, edit=lambda data: data):
        parts = urllib.parse.urlsplit(url)
        self.upstream, self.edit = (parts.hostname, parts.port), edit
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://%s:%d" % self.listener.getsockname()
        self.lock, self.asked, self.received, self.gzips = threading.Lock(), "", 0, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.upstream)
                for pump in (self.up, self.down):
                    threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def up(self, client, server):
        with contextlib.suppress(OSError), contextlib.closing(server):
            while data := client.recv(65536):
                with self.lock:
                    self.asked += data.decode("latin-1")
                server.sendall(self.edit(data))

    def down(self, client, server):
        with contextlib.suppress(OSError), contextlib.closing(client):
            while data := server.recv(65536):
                with self.lock:
                    self.received += len(data)
                    self.gzips += data.count(b"\r\nContent-Encoding: gzip\r\n")
                client.sendall(data)

    def targets(self):
        """The targets about whole pods that were asked for, in order: by the reflector. Who asks
        how current a mirror is takes metadata, where the machine is slow."""
        with self.lock:
            heads = re.findall(r"GET (/api/v1/pods\S*) HTTP(.*?)\r\n\r\n", self.asked, re.DOTALL)
        return [target for target, rest in heads if "PartialObjectMetadata" not in rest]

    def close(self):
        self.listener.close()


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(loaded=True)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        cls.url = cls.enterClassContext(kubectl_proxy(cls.cluster))
        cls.pods = digests(cls.cluster.client.get("/api/v1/pods")["items"])

    @contextlib.contextmanager
    def mirroring(self, *flags, edit=lambda data: data):
        """A replica that has the server's pods, and the relay between the two."""
        with contextlib.closing(Relay(self.url, edit)) as relay:
            # A self-audit would ask too, where the machine is slow.
            with serving(f"--apiserver={relay.url}", "--audit-interval=0", *flags) as ours:
                wait_ready(ours)
                held = digests(get_json(ours.api + "/api/v1/pods")["items"])
                self.assertGreaterEqual(len(held), POD_COUNT)
                self.assertEqual(differing(held, self.pods), [])
                yield relay, ours

    def test_its_lists_come_as_gzip(self):
        with self.mirroring() as (relay, _):
            self.assertIn("\r\nAccept-Encoding: gzip\r\n", relay.asked)
            self.assertGreater(relay.gzips, 0)
            self.assertLess(relay.received, 16 << 20, "10,000 pods are 60 MB as they are")
            self.assertTrue(relay.targets()[0].startswith("/api/v1/pods?limit="))

    def test_its_state_comes_by_the_watch_that_goes_on(self):
        with self.mirroring(GATE) as (relay, ours):
            self.assert_watched(relay, ours)
            (target,) = relay.targets()
            self.assertIn("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", target)
            self.assertEqual(relay.gzips, 0, "a watch is never packed")

    def test_it_lists_where_the_state_by_a_watch_is_refused(self):
        # Without resourceVersionMatch the server refuses it by 422, as one that lacks the feature.
        edit = lambda data: data.replace(b"resourceVersionMatch=NotOlderThan&", b"")
        with self.mirroring(GATE, edit=edit) as (relay, ours):
            self.assert_watched(relay, ours)
            targets = relay.targets()
            self.assertIn("sendInitialEvents=true", targets[0])
            self.assertTrue(targets[1].startswith("/api/v1/pods?limit="), targets)

    def assert_watched(self, relay, ours):
        """A pod's label that changes now is heard of."""
        name = next(iter(self.pods))
        path = "/api/v1/namespaces/{}/pods/{}".format(*name.split("/"))
        patch = {"metadata": {"labels": {"heard-by": self.id().rsplit(".", 1)[-1]}}}
        merge = "application/merge-patch+json"
        status, changed, _ = self.cluster.client.ask("PATCH", path, patch, merge)
        self.assertEqual(status, 200, changed)
        version = changed["metadata"]["resourceVersion"]
        heard = lambda: get_json(ours.api + path)["metadata"]["resourceVersion"] == version
        wait_for("the change", heard, CONVERGED_LIMIT_S)
        del changed["kind"], changed["apiVersion"]  # which items of a list do not have
        self.pods.update(digests([changed]))
