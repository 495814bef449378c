"""What is written about the deployment is what the code says: generated files are current, every
alert has its runbook and its case, every key and family is in its reference."""

import json
import re
import subprocess
import sys
import unittest

import yaml

from support import CHART, get, get_json, program, ROOT, StandaloneTest

sys.path.insert(0, str(ROOT / "scripts" / "reference"))
import metrics  # noqa: E402

RUNBOOK_SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
# Settings that are the chart's to say, or that make no sense beside a cluster.
NOT_IN_CHART = {"config", "apiserver", "standalone", "apiBindAddress", "authMode"}
NOT_IN_CHART |= {"metricsBindAddress", "healthProbeBindAddress", "kubeconfig", "context"}
NOT_IN_CHART |= {"leaderElectResourceName", "leaderElectResourceNamespace"}


class Generated(unittest.TestCase):
    def test_every_generated_file_is_current(self):
        command = [str(ROOT / "scripts/generate"), "--check", program("podkeeperd")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Alerts(unittest.TestCase):
    def setUp(self):
        groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
        self.alerts = [rule["alert"] for group in groups for rule in group["rules"]]

    def test_each_has_a_runbook_of_four_sections(self):
        for alert in self.alerts:
            with self.subTest(alert=alert):
                text = (ROOT / f"docs/runbooks/{alert.lower()}.md").read_text()
                self.assertEqual(text.splitlines()[0], f"# {alert}")
                self.assertEqual(re.findall(r"^## (.*)$", text, re.M), RUNBOOK_SECTIONS)

    def test_no_runbook_is_without_an_alert(self):
        pages = {p.stem for p in (ROOT / "docs/runbooks").glob("*.md")}
        self.assertEqual(pages, {alert.lower() for alert in self.alerts})

    def test_each_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(self):
        cases = yaml.safe_load((ROOT / "tests/deploy/alerts_test.yaml").read_text())["tests"]
        fires, silent = set(), set()
        for expected in (e for case in cases for e in case["alert_rule_test"]):
            (fires if expected["exp_alerts"] else silent).add(expected["alertname"])
        self.assertEqual(fires, set(self.alerts))
        self.assertEqual(silent, set(self.alerts))

    def test_runbooks_and_rules_speak_of_families_that_exist(self):
        header = "".join(path.read_text() for path in
                         (ROOT / "pkg/telemetry").glob("*metric_names.h"))
        known = {f.name for f in metrics.families(header)}
        pages = [*(ROOT / "docs/runbooks").glob("*.md"), CHART / "files/alerts.yaml"]
        pattern = r"\b(?:podkeeper|controller_runtime|workqueue|rest_client|kubernetes)_[a-z_]+"
        for page in pages:
            for name in re.findall(pattern, page.read_text()):
                with self.subTest(page=page.name, name=name):
                    self.assertIn(re.sub("_(bucket|sum|count)$", "", name), known)


class AgainstTheProgram(StandaloneTest):
    flags = ("--enable-debug-panic",)

    def test_the_chart_offers_the_programs_settings_and_no_others(self):
        known = get_json(self.api + "/configz")["podkeeper"]
        settings = {key for key in known if not key.startswith("sim")} - NOT_IN_CHART
        values = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
        schema = json.loads((CHART / "values.schema.json").read_text())
        self.assertEqual(set(values), settings)
        self.assertEqual(set(schema["properties"]["config"]["properties"]), settings)

    def test_the_charts_defaults_are_the_programs(self):
        settings = get_json(self.api + "/configz")["podkeeper"]
        values = yaml.safe_load((CHART / "values.yaml").read_text())["config"]
        chosen = {"loggingFormat", "dropFields", "enableDebugPanic", "leaderElect", "supervise"}
        for key in set(values) - chosen:
            value = values[key]
            text = ",".join(value) if isinstance(value, list) else str(value)
            text = {"64MiB": str(64 << 20)}.get(text, text)
            with self.subTest(key=key):
                self.assertEqual(text, settings[key])

    def test_the_chart_names_the_sensitive_resources_that_the_program_names(self):
        command = [program("podkeeperd"), "--standalone", "--allow-sensitive=none"]
        command += ["--api-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        known = re.search(r"those that take it: (.*)", done.stderr)[1].split(", ")
        schema = json.loads((CHART / "values.schema.json").read_text())
        config = schema["properties"]["config"]["properties"]
        self.assertEqual(sorted(config["allowSensitive"]["items"]["enum"]), sorted(known))

    def test_every_family_that_is_served_is_in_the_reference(self):
        get(f"{self.api}/debug/panic?handler=http&kind=exception", method="POST")
        text = get(self.api + "/metrics")[1]
        header = "".join(path.read_text() for path in
                         (ROOT / "pkg/telemetry").glob("*metric_names.h"))
        known = {f.name: f for f in metrics.families(header)}
        served = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.assertGreater(len(served), 30)
        for name, kind in served.items():
            with self.subTest(family=name):
                self.assertEqual(known[name].type, kind)
        for name, labels in re.findall(r"^(\w+)\{(.*)\} ", text, re.M):
            family = known.get(name) or known[re.sub("_(bucket|sum|count)$", "", name)]
            names = set(re.findall(r'(\w+)="', labels)) - {"le"}
            self.assertLessEqual(names, set(family.labels), name)
