"""docs/openapi/state-v1.yaml against a running server: what it answers is what is written."""

import json
import re
import unittest
import urllib.parse
import urllib.request

import yaml

from support import free_port, get, get_json, ROOT, StandaloneTest, wait_for

DOCUMENT = ROOT / "docs/openapi/state-v1.yaml"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


class Document:
    """The parts of OpenAPI 3 that the document uses; an unknown keyword is an error."""

    KEYWORDS = set("type required properties additionalProperties items enum pattern".split())
    KEYWORDS |= {"minimum", "description", "$ref"}

    def __init__(self, document):
        self.root = document

    def resolve(self, node):
        while "$ref" in node:
            reference, node = node["$ref"], self.root
            for name in reference.removeprefix("#/").split("/"):
                node = node[name]
        return node

    def problems(self, value, schema, where="$"):
        """Where the value is not what the schema says."""
        schema = self.resolve(schema)
        unknown = set(schema) - self.KEYWORDS
        if unknown:
            yield f"schema of {where}: keywords {unknown} are not understood"
        expected = TYPES[schema["type"]]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {schema['type']}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if "minimum" in schema and value < schema["minimum"]:
            yield f"{where}: {value} is below {schema['minimum']}"
        for i, item in enumerate(value if schema["type"] == "array" else []):
            yield from self.problems(item, schema["items"], f"{where}[{i}]")
        if schema["type"] == "object":
            yield from self.object_problems(value, schema, where)

    def object_problems(self, value, schema, where):
        known = schema.get("properties", {})
        for name in set(schema.get("required", [])) - set(value):
            yield f"{where}: {name} is missing"
        for name, item in value.items():
            other = schema.get("additionalProperties", True)
            if name in known:
                yield from self.problems(item, known[name], f"{where}.{name}")
            elif isinstance(other, dict):
                yield from self.problems(item, other, f"{where}.{name}")
            elif other is False:
                yield f"{where}: {name} is not documented"


class OpenApi(StandaloneTest):
    flags = ("--terminal-pod-ttl=1h",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = Document(yaml.safe_load(DOCUMENT.read_text()))
        pod = get_json(cls.api + "/state/v1/pods?limit=1")["items"][0]
        node = get_json(cls.api + "/state/v1/nodes?limit=1")["items"][0]
        cls.urls = {
            "/state/v1/pods/{namespace}/{name}": f"/state/v1/pods/{pod['namespace']}/{pod['name']}",
            "/state/v1/nodes/{name}": f"/state/v1/nodes/{node['name']}",
        }

    def operations(self):
        for path, item in self.document.root["paths"].items():
            yield path, self.urls.get(path, path), item["get"]

    def check(self, url, operation, expected_status):
        status, body, headers = get(self.api + url)
        self.assertEqual(status, expected_status, body)
        responses = operation["responses"]
        response = self.document.resolve(responses.get(str(status), responses["default"]))
        content = response["content"]
        self.assertIn(headers["Content-Type"], content)
        schema = content[headers["Content-Type"]]["schema"]
        self.assertEqual(list(self.document.problems(json.loads(body), schema)), [])
        for name, header in response.get("headers", {}).items():
            schema = self.document.resolve(header)["schema"]
            self.assertEqual(list(self.document.problems(headers[name], schema, name)), [])
        return json.loads(body)

    def test_every_path_answers_as_documented(self):
        for path, url, operation in self.operations():
            with self.subTest(path=path):
                self.check(url, operation, 200)

    def test_every_parameter_is_taken(self):
        for path, url, operation in self.operations():
            for parameter in map(self.document.resolve, operation.get("parameters", [])):
                if parameter["in"] != "query" or "example" not in parameter:
                    continue
                with self.subTest(path=path, parameter=parameter["name"]):
                    value = urllib.parse.quote(str(parameter["example"]))
                    self.check(f"{url}?{parameter['name']}={value}", operation, 200)

    def test_every_value_of_an_enumeration_is_taken(self):
        operation = self.document.root["paths"]["/state/v1/pods"]["get"]
        sort = next(p for p in operation["parameters"] if p.get("name") == "sort")
        for value in sort["schema"]["enum"]:
            with self.subTest(sort=value):
                self.check(f"/state/v1/pods?sort={value}", operation, 200)

    def test_pages_follow_each_other_to_the_end(self):
        for path in ("/state/v1/pods", "/state/v1/nodes"):
            operation = self.document.root["paths"][path]["get"]
            url, seen = f"{path}?limit=2", 0
            while url:
                page = self.check(url, operation, 200)
                seen += len(page["items"])
                token = page["continue"]
                url = f"{path}?limit=2&continue={token}" if token else ""
            self.assertGreater(seen, 2)

    def test_the_parameters_are_all_that_the_server_knows(self):
        for path, url, operation in self.operations():
            parameters = map(self.document.resolve, operation.get("parameters", []))
            written = {p["name"] for p in parameters if p["in"] == "query"}
            status, body, _ = get(f"{self.api}{url}?nobody-knows-this=1")
            if status == 200:
                self.assertFalse(written, path)
                continue
            message = self.check(f"{url}?nobody-knows-this=1", operation, 400)["error"]["message"]
            known = set(message.partition("; use ")[2].split(", "))
            self.assertEqual(known, written, path)

    def test_the_paths_are_all_that_the_server_knows(self):
        operation = self.document.root["paths"]["/state/v1/summary"]["get"]
        message = self.check("/state/v1/none", operation, 404)["error"]["message"]
        served = set()
        listed = message.partition(";")[2]
        for path in re.findall(r"(/state/v1/[\w/]+(?:\[[^\]]*\])?)", listed):
            base, bracket, rest = path.partition("[")
            served |= {base, base + rest.rstrip("]")} if bracket else {base}
        written = {re.sub(r"\{(\w+)\}", lambda m: m[1].upper(), p) for p, _, _ in self.operations()}
        self.assertEqual(served, written)

    def test_failures_are_documented(self):
        operation = self.document.root["paths"]["/state/v1/pods"]["get"]
        self.check("/state/v1/pods?limit=many", operation, 400)
        self.check("/state/v1/pods/none/none", operation, 404)
        status, body, _ = get(self.api + "/state/v1/pods", method="DELETE")
        self.assertEqual(status, 405)
        failure = self.document.root["components"]["schemas"]["Failure"]
        self.assertEqual(list(self.document.problems(json.loads(body), failure)), [])


POLICIES = "/apis/podkeeper.dev/v1alpha1/concurrentmappolicies"
# Pods of the embedded cluster have the label; the second policy wants what the first one has.
BACKEND = {"resources": ["pods"], "podSelector": {"matchLabels": {"tier": "backend"}}}
SPECS = {
    "backend": {"target": BACKEND, "priority": 20, "strategy": "LockFree"},
    "weaker": {"target": BACKEND, "priority": 10, "strategy": "SyncMap"},
}


class WithPolicies(StandaloneTest):
    """Answers that are empty, or lack members, as long as the cluster has no policy."""

    cluster = f"127.0.0.1:{free_port()}"
    flags = (f"--sim-bind-address={cluster}",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = Document(yaml.safe_load(DOCUMENT.read_text()))
        for name, spec in SPECS.items():
            cls.write("POST", POLICIES, cls.policy(name, spec))
        wait_for("applied policies", lambda: cls.governed() == {"LockFree"})

    @staticmethod
    def policy(name, spec):
        kind = {"apiVersion": "podkeeper.dev/v1alpha1", "kind": "ConcurrentMapPolicy"}
        return {**kind, "metadata": {"name": name}, "spec": spec}

    @classmethod
    def write(cls, method, path, body):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            f"http://{cls.cluster}{path}",
            method=method,
            data=json.dumps(body).encode(),
            headers={"Content-Type": kind},
        )
        urllib.request.urlopen(request, timeout=10).close()

    @classmethod
    def governed(cls):
        """The strategies that run where the policy governs."""
        maps = get_json(cls.api + "/state/v1/maps")["items"]
        return {m["strategy"] for m in maps if m.get("policy") == "backend"}

    def documented(self, kind, path):
        answer = get_json(self.api + path)
        schema = {"$ref": f"#/components/schemas/{kind}"}
        self.assertEqual(list(self.document.problems(answer, schema)), [])
        return answer["items"]

    def test_maps_and_policies_answer_as_documented(self):
        maps = self.documented("MapList", "/state/v1/maps")
        self.assertIn("pods~backend", {m["partition"] for m in maps})

        def settled():
            items = self.documented("PolicyList", "/state/v1/policies")
            policies = {p["name"]: p for p in items}
            return policies if policies["backend"].get("activeStrategy") else None

        policies = wait_for("what became of the policies", settled)
        self.assertEqual(set(policies), set(SPECS))
        standings = {name: {p["standing"] for p in policies[name]["partitions"]} for name in SPECS}
        self.assertEqual(standings, {"backend": {"Governs"}, "weaker": {"Shadowed"}})

    def test_another_strategy_comes_into_use_and_is_answered_as_documented(self):
        path = f"{POLICIES}/backend"
        self.write("PATCH", path, {"spec": {"strategy": "RWMutex"}})
        wait_for("the new strategy", lambda: self.governed() == {"RWMutex"})
        self.write("PATCH", path, {"spec": {"strategy": "LockFree"}})
        wait_for("the old strategy", lambda: self.governed() == {"LockFree"})

        def told():
            maps = self.documented("MapList", "/state/v1/maps")
            changed = [m for m in maps if m.get("policy") == "backend"]
            return changed and all("lastMigration" in m for m in changed)

        wait_for("how the last change went", told)


class TheCheckItself(unittest.TestCase):
    def test_it_finds_what_is_not_as_written(self):
        document = Document(yaml.safe_load(DOCUMENT.read_text()))
        amount = {"$ref": "#/components/schemas/Amount"}
        sound = {"cpuMillis": 1, "memoryBytes": 1, "pods": 1}
        self.assertEqual(list(document.problems(sound, amount)), [])
        for broken in (
            {**sound, "cpuMillis": "1"},
            {**sound, "cpuMillis": -1},
            {**sound, "cpuMillis": True},
            {**sound, "disks": 1},
            {"cpuMillis": 1},
            [],
        ):
            self.assertTrue(list(document.problems(broken, amount)), broken)
