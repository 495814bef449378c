"""podkeeperd tells its API server from others: whoever shows a wrong certificate, breaks TLS or
redirects hears no credential, is named in the log and counted by reason, and is forgotten as soon
as the real server is back."""

import pathlib
import ssl
import unittest
import warnings

import certificates
from bad_servers import Hasty, Plain, Secured, Silent
from cluster import Cluster
from credentials import kubeconfig, reader_token
from proxy import FaultProxy
from record import record_fault
from replica import replica, wait_ready

from support import get, wait_for

NAMES = ("localhost", "kubernetes.default.svc")
# Three failures in a row make the reflector wait 6 s at most.
RECOVERY_LIMIT_S = 30


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.token = reader_token(cls.cluster)
        cls.authority = certificates.make("test authority", authority=True)
        cls.foreign = certificates.make("foreign authority", authority=True)
        # What the tests' certificates are signed by is trusted as the cluster's own is.
        cls.trusted = (
            pathlib.Path(cls.cluster.path("pki/ca.crt")).read_text()
            + cls.authority.certificate_pem().decode()
        )

    def access(self, url, **cluster):
        """A kubeconfig with the token for the server at a URL."""
        cluster = {"server": url, "certificate-authority-data": self.trusted, **cluster}
        return kubeconfig(self.cluster, cluster, {"token": self.token})

    def signed(self, **options):
        return certificates.make("bad server", self.authority, **{"dns": NAMES, **options})

    def bad_servers(self):
        """(what it is, the server, its reason by podkeeper_tls_errors_total, words of the log)"""
        day = certificates.DAY
        by_foreign = certificates.make("bad server", self.foreign, dns=NAMES)
        own = certificates.make("bad server", dns=NAMES)
        expired = self.signed(start=-2 * day, end=-day)
        early = self.signed(start=day, end=2 * day)
        other = self.signed(dns=("elsewhere.example.com",), addresses=("10.0.0.1",))
        with_nul = self.signed(dns=("localhost\0.example.com",), addresses=())
        unnamed = self.signed(dns=(), addresses=())
        old = ssl.TLSVersion.TLSv1_1
        yield "a foreign authority", Secured(by_foreign), "authority", "not trusted"
        yield "no authority", Secured(own), "authority", "not trusted"
        yield "expired", Secured(expired), "expired", "is valid from"
        yield "not valid yet", Secured(early), "expired", "is valid from"
        yield "another name", Secured(other), "name", "elsewhere.example.com"
        yield "a NUL in its name", Secured(with_nul), "name", "not for localhost"
        yield "no name but the subject's", Secured(unnamed), "name", "no name at all"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            server = Secured(self.signed(), newest=old)
        yield "TLS 1.1", server, "version", "version"
        yield "no TLS", Plain(), "protocol", "TLS"
        yield "gone amid the handshake", Hasty(), "cut", "TLS"

    def test_a_wrong_server_hears_nothing_is_told_and_the_right_one_is_taken_back(self):
        for what, server, reason, words in self.bad_servers():
            with self.subTest(what), server, FaultProxy(server.url) as proxy:
                access = self.access(proxy.url, **{"tls-server-name": "localhost"})
                with replica(self.cluster, kubeconfig=access) as daemon:
                    counted = lambda: daemon.metric("podkeeper_tls_errors_total", reason=reason)
                    wait_for(lambda: f"{reason}: {daemon.log()}", counted)
                    daemon.says(words)
                    self.assertEqual(get(daemon.health + "/livez")[0], 200)
                    self.assertFalse(daemon.ready())
                    self.assertEqual(server.heard, [])
                    proxy.set_target(self.cluster.url)
                    wait_ready(daemon, RECOVERY_LIMIT_S)
                    self.assertNotIn(self.token, daemon.process.output())
        record_fault(
            *(82, self, "the wrong server hears nothing, the right one is taken back"),
            "podkeeper_tls_errors_total by reason; log: what is wrong with the certificate",
        )

    def test_a_silent_server_is_given_up(self):
        with Silent() as server, FaultProxy(server.url) as proxy:
            with replica(self.cluster, kubeconfig=self.access(proxy.url)) as daemon:
                counted = lambda: daemon.metric("podkeeper_tls_errors_total", reason="timeout")
                wait_for(lambda: f"timeout: {daemon.log()}", counted, 60)
                self.assertEqual(get(daemon.health + "/livez")[0], 200)
                proxy.set_target(self.cluster.url)
                wait_ready(daemon)

    def test_a_name_of_the_kubeconfig_is_the_one_that_must_stand_in_the_certificate(self):
        wrong = self.access(self.cluster.url, **{"tls-server-name": "elsewhere.example.com"})
        with replica(self.cluster, kubeconfig=wrong) as daemon:
            daemon.says("not for elsewhere.example.com")
        right = self.access(self.cluster.url, **{"tls-server-name": "kubernetes.default.svc"})
        with replica(self.cluster, kubeconfig=right) as daemon:
            wait_ready(daemon)

    def test_redirects_are_not_followed(self):
        stranger = certificates.make("stranger", self.authority, dns=NAMES)
        with Secured(stranger) as elsewhere:
            for code in (301, 302, 303, 307, 308):
                text = (
                    f"HTTP/1.1 {code} Moved\r\nLocation: {elsewhere.url}/api/v1/pods\r\n"
                    "Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                with self.subTest(code), Secured(self.signed(), text) as server:
                    with replica(self.cluster, kubeconfig=self.access(server.url)) as daemon:
                        daemon.says("a redirect, which is not followed")
                        asked = daemon.metric("rest_client_requests_total", code=str(code))
                        self.assertGreater(asked, 0)
                        self.assertFalse(daemon.ready())
            self.assertEqual(elsewhere.connections, 0)
        record_fault(
            *(16, self, "not followed: the other host gets no connection"),
            'log: a redirect, which is not followed; rest_client_requests_total{code="302"}',
        )

    def test_without_verification_it_warns(self):
        insecure = {
            "server": self.cluster.url,
            "insecure-skip-tls-verify": True,
        }
        path = kubeconfig(self.cluster, insecure, {"token": self.token})
        with replica(self.cluster, kubeconfig=path) as daemon:
            wait_ready(daemon)
            daemon.says(r"level=warn\S* .*certificate is not verified \(insecure-skip-tls-verify\)")

    def test_a_client_certificate_that_a_server_refuses_is_told(self):
        day = certificates.DAY
        clients = certificates.make("clients", authority=True)
        expired = certificates.make("client", clients, start=-2 * day, end=-day)
        demands = clients.certificate_pem().decode()
        for what, pair in (("expired", expired), ("foreign", self.signed()), ("none", None)):
            user = {"token": self.token}
            if pair:
                user = {
                    "client-certificate-data": pair.certificate_pem().decode(),
                    "client-key-data": pair.key_pem().decode(),
                }
            with self.subTest(what), Secured(self.signed(), demands=demands) as server:
                cluster = {"server": server.url, "certificate-authority-data": self.trusted}
                access = kubeconfig(self.cluster, cluster, user)
                with replica(self.cluster, kubeconfig=access) as daemon:
                    counted = lambda: daemon.metric(
                        "podkeeper_tls_errors_total", reason="client_certificate"
                    )
                    wait_for(lambda: f"counted: {daemon.log()}", counted)
                    self.assertEqual(server.heard, [])
