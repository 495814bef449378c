"""podkeeperd's credentials end, change and are refused as a cluster's are: tokens are revoked and
rotated by kubelet's swap, client certificates expire, kubeconfigs ask for what there is not, and
nothing of them is ever shown."""

import pathlib
import subprocess
import time

from credentials import (
    ACCOUNT,
    NAMESPACE,
    SEEN_LIMIT_S,
    Credentials,
    follows,
    refused,
    revocable_token,
    revoke,
)
from record import record_fault
from replica import pod, replica, token_volume, wait_ready

from support import get, program, wait_for


class Tokens(Credentials):
    def volume(self, secret):
        volume = token_volume(self.cluster, NAMESPACE, ACCOUNT)
        volume.swap(token=revocable_token(self.cluster, secret))
        return volume

    def test_a_revoked_token_is_told_and_the_next_one_is_taken_at_once(self):
        proxy = self.proxied()
        volume = self.volume("revoked")
        first = volume.files["token"]
        with pod(self.cluster, volume, url=proxy.url) as daemon:
            wait_ready(daemon)
            revoke(self.cluster, "revoked")
            self.wait_refused(first)
            # A watch is authorized once, at its start.
            proxy.cut()
            daemon.says("credentials are missing, expired or not accepted")
            self.assertGreater(refused(daemon), 0)
            self.assertEqual(get(daemon.health + "/livez")[0], 200)
            self.assertEqual(get(daemon.api + "/api/v1/nodes")[0], 200)
            volume.swap(token=revocable_token(self.cluster, "next"))
            swapped = time.monotonic()
            # It is read at the next 401, not at the next turn of the reload.
            wait_for(lambda: f"followed again: {daemon.log()}",
                     lambda: follows(daemon), SEEN_LIMIT_S)  # fmt: skip
            recovery = time.monotonic() - swapped
            taken = {"source": "file", "result": "success"}
            self.assertEqual(daemon.metric("podkeeper_token_reload_total", **taken), 1)
            for token in (first, volume.files["token"]):
                self.assertNotIn(token, daemon.process.output())
        record_fault(
            *(4, self, "serves its last state; takes the next token at the first 401 after it"),
            'rest_client_requests_total{code="401"}, podkeeper_token_reload_total; log: '
            "credentials are missing, expired or not accepted",
            recovery,
        )

    def test_a_swapped_token_is_in_use_within_a_minute_and_before_the_old_one_ends(self):
        proxy = self.proxied()
        volume = self.volume("first")
        first = volume.files["token"]
        with pod(self.cluster, volume, url=proxy.url) as daemon:
            wait_ready(daemon)
            volume.swap(token=revocable_token(self.cluster, "second"))
            daemon.says("new token", SEEN_LIMIT_S)
            revoke(self.cluster, "first")
            self.wait_refused(first)
            accepted = proxy.accepted
            self.assertGreater(proxy.cut(), 0)
            wait_for("new connections", lambda: proxy.accepted > accepted and follows(daemon))
            self.assertEqual(refused(daemon), 0)
        record_fault(
            *(72, self, "the new token is in use before the old one ends, no request is refused"),
            'log: new token; rest_client_requests_total{code="401"} is 0',
        )

    def test_nothing_shows_a_token(self):
        volume = self.volume("shown")
        with pod(self.cluster, volume, "-v", "10") as daemon:
            wait_ready(daemon)
            pages = (
                *("/metrics", "/configz", "/flagz", "/statusz", "/state/v1/summary"),
                *("/debug/tasks", "/debug/panics", "/state/v1/maps"),
            )
            shown = [get(daemon.api + page)[1] for page in pages]
            shown.append(get(daemon.health + "/readyz?verbose")[1])
            shown.append(daemon.process.output())
            shown.append(pathlib.Path(f"/proc/{daemon.process.popen.pid}/cmdline").read_text())
            token = volume.files["token"]
            # The signature is what makes it a secret.
            for text in shown:
                self.assertNotIn(token.rpartition(".")[2], text)


class ClientCertificates(Credentials):
    def test_an_expired_one_is_told_and_its_successor_is_taken_at_once(self):
        folder = pathlib.Path(self.cluster.path("client"))
        folder.mkdir()

        def use(name):
            for suffix in ("crt", "key"):
                fresh = folder / "new"
                fresh.write_bytes(
                    pathlib.Path(self.cluster.path(f"pki/{name}.{suffix}")).read_bytes()
                )
                fresh.rename(folder / f"client.{suffix}")

        use("expired")
        path = self.as_user(
            {"client-certificate": f"{folder}/client.crt", "client-key": f"{folder}/client.key"}
        )
        with replica(self.cluster, kubeconfig=path) as daemon:
            daemon.says("credentials are missing, expired or not accepted")
            self.assertGreater(refused(daemon), 0)
            self.assertEqual(get(daemon.health + "/livez")[0], 200)
            use("admin")
            wait_ready(daemon)
            daemon.says("new certificates")


# What is refused at the start: fields of the cluster, fields of the user, and what is said.
UNSUPPORTED = [
    ({"proxy-url": "http://127.0.0.1:1"}, {}, "proxy-url is not supported"),
    ({}, {"auth-provider": {"name": "gcp"}}, "auth-provider is not supported"),
    ({}, {"username": "a", "password": "hunter2"}, "username is not supported"),
    ({}, {"token": "t", "as": "root"}, "as is not supported"),
    ({}, {"token": "t", "as-groups": ["system:masters"]}, "as-groups is not supported"),
    ({"insecure-skip-tls-verify": True}, {"token": "t"}, "insecure-skip-tls-verify"),
    ({}, {"token": "two\nlines"}, "token"),
    ({"server": "http://127.0.0.1:1"}, {"token": "hunter2"}, "server"),
    ({}, {"client-certificate-data": "x"}, "client-certificate is given alone"),
    ({}, {"exec": {"command": "x", "apiVersion": "example.com/v1"}}, "apiVersion"),
]


class Kubeconfigs(Credentials):
    def test_what_is_not_supported_is_refused_by_name(self):
        for cluster, user, words in UNSUPPORTED:
            with self.subTest(words):
                path = self.as_user(user, **cluster)
                command = [
                    *(program("podkeeperd"), f"--kubeconfig={path}", "--auth-mode=None"),
                    *("--api-bind-address=127.0.0.1:0", "--metrics-bind-address=0"),
                    "--health-probe-bind-address=127.0.0.1:0",
                ]
                run = subprocess.run(command, capture_output=True, text=True, timeout=30)
                said = run.stdout + run.stderr
                self.assertNotIn(run.returncode, (0, None), said)
                self.assertIn(words, said)
                self.assertIn(path, said)
                self.assertNotIn("hunter2", said)
