"""Exec plugins of a kubeconfig, good and bad."""

import json
import pathlib

from credentials import ACCOUNT, NAMESPACE, SEEN_LIMIT_S, Credentials, follows
from credentials import revocable_token, revoke
from replica import replica, wait_ready

from support import get, wait_for


# What a plugin does, and what the log then says of it.
MISBEHAVES = {
    "fails": ("echo no luck today >&2; exit 7", "exit code 7: no luck today"),
    "prints what is no credential": ("echo hunter2-is-no-json", "not JSON"),
    "prints another kind": ("""echo '{"kind": "hunter2"}'""", "not an ExecCredential"),
    "prints no end of it": ("yes hunter2 | head -c 3000000", "more than 1048576 bytes"),
    "dies": ("kill -SEGV $$", "exit code 139"),
    "takes too long": ("sleep 45; echo hunter2", "did not end in time, and was killed"),
}


class ExecPlugins(Credentials):
    def plugin(self, script):
        """(the path of a program, a kubeconfig that uses it)"""
        folder = pathlib.Path(self.as_user({})).parent
        path = folder / "plugin"
        self.becomes(path, script)
        exec_ = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(path),
            "interactiveMode": "Never",
        }
        return path, self.as_user({"exec": exec_})

    def becomes(self, path, script):
        fresh = path.with_suffix(".new")
        fresh.write_text(f"#!/bin/sh\n{script}\n")
        fresh.chmod(0o700)
        fresh.rename(path)

    def good(self, token):
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": token},
        }
        return f"cat <<'EOF'\n{json.dumps(credential)}\nEOF"

    def test_its_token_is_used_until_the_server_refuses_it(self):
        token = revocable_token(self.cluster, "exec")
        path, access = self.plugin(self.good(token))
        proxy = self.proxied()
        config = json.loads(pathlib.Path(access).read_text())
        config["clusters"][0]["cluster"]["server"] = proxy.url
        pathlib.Path(access).write_text(json.dumps(config))
        with replica(self.cluster, kubeconfig=access) as daemon:
            wait_ready(daemon)
            runs = lambda: daemon.metric(
                "podkeeper_token_reload_total", source="exec", result="success"
            )
            self.assertEqual(runs(), 1)
            revoke(self.cluster, "exec")
            self.wait_refused(token)
            self.becomes(path, self.good(revocable_token(self.cluster, "exec-next")))
            proxy.cut()
            wait_for(lambda: f"run again: {daemon.log()}", lambda: runs() >= 2)
            wait_for("followed again", lambda: follows(daemon))
            self.assertNotIn(token, daemon.process.output())

    def test_one_that_misbehaves_is_told_by_its_name_and_run_again(self):
        for what, (script, words) in MISBEHAVES.items():
            with self.subTest(what):
                path, access = self.plugin(script)
                with replica(self.cluster, kubeconfig=access) as daemon:
                    daemon.says(rf"exec plugin:? {path}: it.*{words}")
                    failed = {"source": "exec", "result": "error"}
                    self.assertGreater(daemon.metric("podkeeper_token_reload_total", **failed), 0)
                    self.assertEqual(get(daemon.health + "/livez")[0], 200)
                    self.assertNotIn("hunter2", daemon.process.output())
                    self.becomes(path, self.good(self.cluster.token(NAMESPACE, ACCOUNT)))
                    wait_ready(daemon, SEEN_LIMIT_S)
