"""What the tests of the deployment share: rendering the chart, and processes that are started,
asked over HTTP and always ended.

The tools come from PATH (scripts/check-deploy sets it), the programs from PK_BIN.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "podkeeper"
RELEASE = "podkeeper"
NAMESPACE = "podkeeper-system"
START_LIMIT_S = 60
ANSWER_LIMIT_S = 30
END_LIMIT_S = 30
POLL_S = 0.1


def program(name):
    """The path of podkeeperd or simkube."""
    return str(pathlib.Path(os.environ["PK_BIN"]) / name)


def helm(*arguments, stdin=None):
    """Runs helm; gives the finished process, whatever its exit code."""
    return subprocess.run(
        ["helm", *arguments], cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60
    )


def render(values=None, *arguments):
    """The objects that the chart renders to with these values (a mapping)."""
    run = helm(
        *("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", "-"),
        *arguments,
        stdin=yaml.safe_dump(values or {}),
    )
    if run.returncode != 0:
        raise AssertionError(run.stderr)
    return [o for o in yaml.safe_load_all(run.stdout) if o]


def kustomize(folder):
    """The objects that kubectl makes of a folder, or, where kubectl is too old, kustomize."""
    command = os.environ.get("PK_KUSTOMIZE", "kubectl kustomize").split()
    run = subprocess.run(
        [*command, folder], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if run.returncode != 0:
        raise AssertionError(run.stderr)
    return [o for o in yaml.safe_load_all(run.stdout) if o]


def only(objects, kind, name=None):
    """The one object of a kind, and of a name where there are several."""
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    if len(found) != 1:
        raise AssertionError(f"{len(found)} objects {kind} {name or ''}, expected 1")
    return found[0]


def ci_values():
    """The values files of the chart's ci folder, by name."""
    return {p.stem: yaml.safe_load(p.read_text()) or {} for p in sorted(CHART.glob("ci/*.yaml"))}


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url, method="GET"):
    """(status, body, headers); a connection that is refused or cut is status 0."""
    try:
        request = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), e.headers
    except (OSError, http.client.HTTPException) as e:
        return 0, str(e), {}


def get_json(url):
    status, body, _ = get(url)
    if status != 200:
        raise AssertionError(f"{url}: {status} {body}")
    return json.loads(body)


def wait_for(what, condition, limit_s=START_LIMIT_S):
    """Asks until the condition gives something true, and gives that; fails after the limit, saying
    what it waited for: a text, or what gives one then."""
    deadline = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what() if callable(what) else what}")
        time.sleep(POLL_S)


class Process:
    """A program with its output in a file; stop() ends it as a kubelet would."""

    def __init__(self, *command, env=None):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )

    def output(self):
        return pathlib.Path(self.log.name).read_text()

    def wait_for_line(self, pattern):
        """The first match in the output."""

        def look():
            if self.popen.poll() is not None:
                raise AssertionError(f"ended with {self.popen.returncode}: {self.output()}")
            return re.search(pattern, self.output())

        return wait_for(lambda: f"a line like {pattern} in:\n{self.output()}", look)

    def stop(self):
        """SIGTERM, and after a while SIGKILL; gives the exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode


@contextlib.contextmanager
def running(*command, env=None):
    process = Process(*command, env=env)
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def simkube(*flags):
    """An embedded cluster of its own; gives its URL."""
    with running(program("simkube"), "--bind-address=127.0.0.1:0", *flags) as process:
        yield "http://" + process.wait_for_line(r"listening on (\S+)")[1]


class StandaloneTest(unittest.TestCase):
    """Tests that ask one podkeeperd --standalone, which is started once a class."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = f"http://127.0.0.1:{free_port()}"
        cls.health = f"http://127.0.0.1:{free_port()}"
        cls.daemon = cls.start()
        cls.addClassCleanup(lambda: cls.daemon.stop())
        cls.wait_ready()

    @classmethod
    def start(cls):
        return Process(
            *(program("podkeeperd"), "--standalone", "--sim-nodes=5", "--sim-pods=60"),
            f"--api-bind-address={cls.api.removeprefix('http://')}",
            f"--health-probe-bind-address={cls.health.removeprefix('http://')}",
            *cls.flags,
        )

    @classmethod
    def wait_ready(cls):
        wait_for("ready", lambda: get(cls.health + "/readyz")[0] == 200)
