"""The CustomResourceDefinition on a real server: it accepts every sample, and refuses each policy
of tests/data/policies/bad that its schema or a rule is there to refuse, with the rule's message."""

import json
import re
import unittest

import yaml

from cluster import CRD, POLICIES, Cluster, ROOT

FOLDER = ROOT / "tests/data/policies"
VALIDATED = POLICIES + "?dryRun=All&fieldValidation="

# Where each rule has something to judge and nothing to refuse: the spec beside its strategy, by
# the rule's place in the schema.
GOOD = {
    ".spec bounds": {"bounds": {"maxEntries": 10}, "target": {"caches": ["tokens"]}},
    ".spec expiry": {
        "expiry": {"terminalPodTTLSeconds": 60},
        "target": {"resources": ["nodes", "pods"]},
    },
    ".spec.target caches": {"target": {"caches": ["tokens", "access"], "resources": []}},
    ".spec.target podSelector": {
        "target": {"podSelector": {"matchLabels": {"a": "b"}}, "resources": ["pods"]}
    },
    ".spec.target namespaces": {"target": {"namespaces": ["a-*"], "resources": ["pods"]}},
    ".spec.target.podSelector.matchLabels": {
        "target": {"podSelector": {"matchLabels": {"example.com/app": "web", "tier": ""}}}
    },
    ".spec.target.podSelector.matchExpressions[] values": {
        "target": {
            "podSelector": {
                "matchExpressions": [
                    {"key": "app", "operator": "NotIn", "values": ["a"]},
                    {"key": "app", "operator": "Exists"},
                ]
            }
        }
    },
    ".spec.consistency maxStalenessMilliseconds": {
        "consistency": {"default": "Snapshot", "maxStalenessMilliseconds": 5}
    },
}


def expanded(text):
    """A fixture's bytes: ${c*N} stands for N times c, ${bytes:ff,80} for these two bytes."""

    def expand(match):
        code = match[1].decode()
        if code.startswith("bytes:"):
            return bytes(int(b, 16) for b in code.removeprefix("bytes:").split(","))
        what, count = code.split("*")
        return {"open": "[", "close": "]"}.get(what, what[0]).encode() * int(count)

    return re.sub(rb"\$\{([^}]*)\}", expand, text)


def rules(schema, place=""):
    """(place, message) of every rule below a schema."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield f"{place} {rule.get('fieldPath', '').lstrip('.')}".strip(), rule["message"]
    for name, inner in schema.get("properties", {}).items():
        yield from rules(inner, f"{place}.{name}")
    if "items" in schema:
        yield from rules(schema["items"], f"{place}[]")


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
        cls.rules = dict(rules(version["schema"]["openAPIV3Schema"]))
        cls.bad = json.loads((FOLDER / "bad.json").read_text())["policies"]

    def create(self, body, validation="Strict"):
        return self.cluster.client.ask("POST", VALIDATED + validation, body)

    def judge(self, by, check):
        """Creates what this refuses, each a subtest: check(entry, status, answer, headers)."""
        for entry in (e for e in self.bad if e["refusedBy"] == by):
            # A duplicate key is refused only where the server is strict.
            validation = "Strict" if "duplicate" in entry["file"] else "Warn"
            with self.subTest(file=entry["file"]):
                check(entry, *self.create(self.body(entry), validation))

    def body(self, entry):
        return expanded((FOLDER / "bad" / entry["file"]).read_bytes())

    def test_the_definition_is_accepted_without_a_warning(self):
        definition = yaml.safe_load(CRD.read_text())
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        found = self.cluster.client.get(f"{path}/{definition['metadata']['name']}")
        conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
        self.assertEqual(conditions["Established"], "True", found["status"])
        self.assertNotIn("NonStructuralSchema", conditions)
        again = self.cluster.kubectl("apply", "--dry-run=server", "-f", str(CRD))
        self.assertEqual((again.returncode, again.stderr), (0, ""))

    def test_every_sample_is_accepted_strictly(self):
        samples = sorted((ROOT / "config/samples").glob("*-*.yaml"))
        self.assertGreaterEqual(len(samples), 6)
        for path in samples:
            with self.subTest(sample=path.name):
                status, answer, headers = self.create(yaml.safe_load(path.read_text()))
                self.assertEqual((status, headers.get("Warning")), (201, None), answer)

    def test_every_rule_has_a_policy_that_it_lets_pass(self):
        self.assertEqual(self.rules.keys(), GOOD.keys())
        for place, spec in GOOD.items():
            with self.subTest(rule=place):
                policy = {
                    "apiVersion": "podkeeper.dev/v1alpha1",
                    "kind": "ConcurrentMapPolicy",
                    "metadata": {"name": "good"},
                    "spec": {"strategy": "Sharded", **spec},
                }
                status, answer, _ = self.create(policy)
                self.assertEqual(status, 201, answer)

    def test_every_rule_refuses_with_its_message(self):
        seen = set()

        def check(_, status, answer, __):
            self.assertEqual(status, 422, answer)
            messages = {m for m in self.rules.values() if m in answer["message"]}
            self.assertEqual(len(messages), 1, answer["message"])
            seen.update(messages)

        self.judge("rule", check)
        self.assertEqual(seen, set(self.rules.values()))

    def test_the_schema_refuses_and_names_the_field(self):
        def check(entry, status, answer, _):
            self.assertEqual(status, 422, answer)
            fields = [cause["field"] for cause in answer["details"]["causes"]]
            self.assertTrue(
                any(f.startswith(entry["field"]) or entry["field"].startswith(f) for f in fields),
                f"{fields} do not name {entry['field']}",
            )

        self.judge("schema", check)

    def test_what_is_no_json_is_refused_as_such(self):
        def check(entry, status, answer, _):
            # Bytes that are no UTF-8 the server reads as U+FFFD, which the schema then refuses.
            expected = 422 if "raw-bytes" in entry["file"] else 400
            self.assertEqual(status, expected, answer)

        self.judge("syntax", check)

    def test_an_unknown_field_is_warned_of_and_refused_where_strict(self):
        def check(entry, status, answer, headers):
            self.assertEqual(status, 201, answer)
            self.assertIn("unknown field", headers["Warning"])
            status, answer, _ = self.create(self.body(entry), "Strict")
            self.assertEqual(status, 400, answer)

        self.judge("unknown", check)

    def test_what_only_podkeeper_refuses_is_accepted(self):
        self.judge("daemon", lambda _, status, answer, __: self.assertEqual(status, 201, answer))
