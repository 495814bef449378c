"""A cluster's CA, its server's certificate and its clients' change under podkeeperd."""

import pathlib
import time
import unittest

from cluster import Client, Cluster
from credentials import ACCOUNT, NAMESPACE, SEEN_LIMIT_S, add_reader, follows, kubeconfig
from proxy import FaultProxy
from record import record_fault
from replica import pod, replica, token_volume, wait_ready

from support import get, wait_for


class Rotation(unittest.TestCase):
    def test_a_pods_and_a_kubeconfigs_credentials_follow_it_within_a_minute(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        add_reader(cluster)
        proxy = self.enterContext(FaultProxy(cluster.url))
        volume = token_volume(cluster, NAMESPACE, ACCOUNT)
        files = {
            "client-certificate": cluster.path("pki/admin.crt"),
            "client-key": cluster.path("pki/admin.key"),
        }
        server = {"server": proxy.url, "certificate-authority": cluster.path("pki/ca.crt")}
        path = kubeconfig(cluster, server, files)
        with (
            pod(cluster, volume, url=proxy.url) as in_pod,
            replica(cluster, kubeconfig=path) as by_files,
        ):
            wait_ready(in_pod)
            wait_ready(by_files)
            cluster.rotate_pki()
            cluster.restart_apiserver()
            rotated = time.monotonic()
            # What it was told to trust is gone: it says so, and serves what it has.
            untrusted = lambda: in_pod.metric("podkeeper_tls_errors_total", reason="authority")
            wait_for(lambda: f"distrust: {in_pod.log()}", untrusted)
            in_pod.says("not trusted")
            self.assertEqual(get(in_pod.api + "/api/v1/nodes")[0], 200)
            volume.swap(ca_crt=pathlib.Path(cluster.path("pki/ca.crt")).read_text())
            for daemon in (in_pod, by_files):
                daemon.says("new certificates", SEEN_LIMIT_S)
                wait_for(lambda: f"followed: {daemon.log()}", lambda: follows(daemon))
                reloads = daemon.metric("podkeeper_tls_reloads_total", result="success")
                self.assertGreaterEqual(reloads, 1)
            followed = time.monotonic()
            self.assertLess(followed - rotated, 2 * SEEN_LIMIT_S)
            # What happens afterwards is seen.
            client = Client(cluster)
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "after"}}
            status, answer, _ = client.ask("POST", "/api/v1/nodes", node)
            self.assertEqual(status, 201, answer)
            for daemon in (in_pod, by_files):
                there = lambda: get(daemon.api + "/api/v1/nodes/after")[0] == 200
                wait_for(f"the node: {daemon.process.log.name}", there)
        record_fault(
            *(82, self, "a CA that is gone is not trusted; the new one is in use within a minute"),
            'podkeeper_tls_errors_total{reason="authority"}, podkeeper_tls_reloads_total',
            followed - rotated,
        )
