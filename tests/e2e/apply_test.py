"""Server-side apply of a policy's status: the same requests to a real server and to simkube come to
the same answers, the same objects and the same owners of every field."""

import http.client
import json
import unittest
import urllib.parse

from cluster import POLICIES, Cluster

from support import simkube

APPLY, MERGE, JSON = (
    "application/apply-patch+yaml",
    "application/merge-patch+json",
    "application/json",
)
TIME = "2026-11-20T09:46:00Z"
METHODS = {JSON: "POST", MERGE: "PATCH", APPLY: "PATCH"}


def condition(kind, status="True", reason="Made", message="m"):
    return {
        **{"type": kind, "status": status, "reason": reason, "message": message},
        "lastTransitionTime": TIME,
    }


def policy(name="p", **rest):
    return {
        "apiVersion": "podkeeper.dev/v1alpha1",
        "kind": "ConcurrentMapPolicy",
        "metadata": {"name": name},
        **rest,
    }


def create(manager, body):
    return JSON, f"?fieldManager={manager}", body


def status(manager, value, force=False, name="p", query=""):
    query = f"?fieldManager={manager}" + ("&force=true" if force else "") + query
    rest = {} if value is None else {"status": value}
    return APPLY, f"/{name}/status{query}", policy(name, **rest)


def main(manager, force=False, name="p", query="", **rest):
    query = f"?fieldManager={manager}" + ("&force=true" if force else "") + query
    return APPLY, f"/{name}{query}", policy(name, **rest)


def update(manager, value, path="/p/status"):
    return MERGE, f"{path}?fieldManager={manager}", value


A, B, C = condition("A"), condition("B"), condition("C")
LABELLED = {"name": "p", "labels": {"a": "1", "b": "2"}, "annotations": {"x": "y"}}
SEQUENCES = {
    "instances beside a leader": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        status("lead", {"activeStrategy": "Mutex", "entries": 3, "conditions": [A, B]}),
        status("one", {"instances": [{"instance": "one", "entries": 1}]}),
        status("two", {"instances": [{"instance": "two", "strategy": "Mutex"}]}),
        status("one", {"instances": [{"instance": "one", "entries": 1}]}),
        status("one", {"instances": [{"instance": "one", "shards": 4}]}),
        status("lead", {"entries": 4, "conditions": [B, A]}),
        status("lead", {"conditions": [C, A]}),
        status("one", None),
        status("two", {"instances": []}),
        status("two", None),
        status("lead", {}),
        status("lead", None),
        status("lead", None),
    ],
    "the last entry": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        status("one", {"instances": [{"instance": "one"}]}),
        status("one", None),
    ],
    "conflicts": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        status("one", {"activeStrategy": "Mutex", "entries": 1, "conditions": [A]}),
        status("two", {"activeStrategy": "Mutex"}),
        status("three", {"activeStrategy": "Sharded"}),
        status("three", {"activeStrategy": "Sharded", "entries": 2}),
        status("three", {"conditions": [condition("A", "False")]}),
        status("three", {"activeStrategy": "Sharded"}, force=True),
        status("one", {"activeStrategy": "Mutex", "entries": 1, "conditions": [A]}),
        status("one", {"activeStrategy": "Mutex", "entries": 1, "conditions": [A]}, force=True),
        status("three", {}),
        status("four", {"conditions": [condition("A", "False", "Other")]}, force=True),
        status("one", {"conditions": [A]}, query="&dryRun=All"),
        status("one", {"conditions": [A]}, force=True, query="&dryRun=All"),
    ],
    "updates": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        update("editor", {"status": {"entries": 1, "conditions": [A], "observedGeneration": 1}}),
        status("one", {"entries": 1, "conditions": [A]}),
        status("one", {"entries": 2, "conditions": [A]}),
        status("one", {"entries": 2, "conditions": [A]}, force=True),
        update("editor", {"status": {"entries": 5}}),
        status("one", {"entries": 2, "conditions": [A]}),
        update("other", {"status": {"conditions": [condition("A", message="n")]}}),
        status("one", {}),
        update("other", {"status": {"conditions": None}}),
        update("other", {"status": {"instances": [{"instance": "one"}, {"instance": "two"}]}}),
        status("one", {"instances": [{"instance": "one", "entries": 1}]}),
        update("third", {"status": {"instances": [{"instance": "two"}]}}),
        status("one", {}),
        update("third", {"status": {"instances": []}}),
    ],
    "an entry that somebody changed goes with its owner": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        status("one", {"instances": [{"instance": "one", "entries": 1}, {"instance": "x"}]}),
        update("editor", {"status": {"instances": [{"instance": "one", "entries": 9}]}}),
        status("one", {"instances": []}),
    ],
    "the other side": [
        create("maker", policy(spec={"strategy": "Mutex", "target": {"resources": ["pods"]}})),
        main("one", spec={"strategy": "Mutex", "priority": 5}),
        main("two", spec={"strategy": "Sharded"}),
        main("two", force=True, spec={"strategy": "Sharded"}),
        main("one", spec={"strategy": "Sharded"}),
        main("three", metadata=LABELLED, spec={"strategy": "Sharded"}),
        main("three", metadata={"name": "p", "labels": {"a": "1"}}, spec={"strategy": "Sharded"}),
        main("four", spec={"strategy": "Sharded", "target": {"resources": ["nodes", "pods"]}}),
        main("four", spec={"strategy": "Sharded", "target": {"resources": ["pods"]}}),
        main("five", spec={"strategy": "Sharded"}, status={"entries": 7}),
        status("five", {"entries": 7}),
        (APPLY, "/p/status?fieldManager=five", policy(spec={"strategy": "Mutex"}, status={})),
        main("six", name="made", spec={"strategy": "Mutex"}),
        main("six", name="made", spec={"strategy": "RWMutex"}),
        status("six", {"entries": 1}, name="absent"),
    ],
    "what is refused": [
        create("maker", policy(spec={"strategy": "Mutex"})),
        (APPLY, "/p/status", policy(status={"entries": 1})),
        update("one", {"status": {}}, path="/p/status?force=true&x=") ,
        status("m" * 129, {"entries": 1}),
        (APPLY, "/p?fieldManager=one", policy("q", spec={"strategy": "Mutex"})),
        (APPLY, "/p?fieldManager=one", {**policy(), "apiVersion": "podkeeper.dev/v9"}),
        main("one", metadata={"name": "p", "managedFields": [{}]}, spec={"strategy": "Mutex"}),
        main("one", metadata={"name": "p", "resourceVersion": "1"}, spec={"strategy": "Auto"}),
        status("one", {"entries": -1}),
        status("one", {"entries": "text"}),
        status("one", {"bogus": 1}),
        status("one", {"conditions": [A, A]}),
        status("one", {"instances": [{"entries": 1}]}),
        (APPLY, "/p?fieldManager=one", b"[]"),
    ],
}


class Side:
    """One of the two servers, asked over one connection."""

    def __init__(self, connection):
        self.connection = connection
        self.revision = None

    def ask(self, method, path, body=None, content_type=JSON):
        body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request(
            method, path, body, {"Content-Type": content_type, "User-Agent": "test/1"}
        )
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def step(self, content_type, path, body):
        """What a request comes to, without what differs between any two servers."""
        code, answer = self.ask(METHODS[content_type], POLICIES + path, body, content_type)
        if answer["kind"] == "Status":
            details = answer.get("details", {})
            causes = details.get("causes", [])
            if code == 422:
                # The words of a status's faults differ; where they are and what they are do not.
                causes = [{"field": c["field"], "reason": c["reason"]} for c in causes]
            details["causes"] = sorted(causes, key=json.dumps)
            return code, {"reason": answer.get("reason"), "details": details}, answer["message"]
        return code, self.seen(answer), ""

    def seen(self, answer):
        metadata = answer["metadata"]
        changed = metadata["resourceVersion"] != self.revision
        self.revision = metadata["resourceVersion"]
        owners = [
            {k: v for k, v in entry.items() if k != "time"}
            for entry in metadata.get("managedFields", [])
        ]
        return {
            "changed": changed,
            "owners": sorted(owners, key=json.dumps),
            "labels": metadata.get("labels"),
            "annotations": metadata.get("annotations"),
            "generation": metadata["generation"],
            "spec": answer.get("spec"),
            "status": answer.get("status"),
        }

    def clear(self):
        for name in ("p", "made"):
            self.ask("DELETE", f"{POLICIES}/{name}")


class TheSame(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        cls.embedded = simkube("--nodes=1", "--pods=0", "--churn=0")
        url = cls.enterClassContext(cls.embedded)
        host = urllib.parse.urlsplit(url)
        plain = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
        cls.real, cls.simulated = Side(cls.cluster.client.connection), Side(plain)

    def test_requests_come_to_the_same(self):
        for name, steps in SEQUENCES.items():
            for side in (self.real, self.simulated):
                side.clear()
            for number, step in enumerate(steps):
                with self.subTest(sequence=name, step=number, request=step[1:]):
                    real, simulated = self.real.step(*step), self.simulated.step(*step)
                    self.assertEqual(simulated[:2], real[:2], f"{simulated[2]} / {real[2]}")
                    if real[0] == 409:
                        # The order of the managers in the text is that of no map.
                        self.assertEqual(
                            sorted(simulated[2].splitlines()), sorted(real[2].splitlines())
                        )
