"""A real Prometheus scrapes a real podkeeperd: every query of the dashboard returns data, and
alerts fire and end.

The rules are the chart's own, with every duration divided by 30, so that minutes become seconds.
"""

import json
import math
import pathlib
import re
import tempfile
import threading
import urllib.parse
import urllib.request

from support import CHART, free_port, get, get_json, Process, StandaloneTest, wait_for

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: podkeeper
    static_configs: [{{targets: ["{target}"]}}]
"""
RANGE_S = 10
HANDLERS = ("http", "stream", "reconcile", "event", "timer", "thread")
# What the dashboard's variables stand for here.
VARIABLES = {
    "$__rate_interval": f"{RANGE_S}s",
    "$__range": "60s",
    "$job": "podkeeper",
    "$instance": ".*",
}


def hurried(rules):
    """Minutes become two seconds each."""
    return re.sub(r"(\[|for: )(\d+)m", lambda m: f"{m[1]}{int(m[2]) * 2}s", rules)


def dashboard_queries():
    dashboard = json.loads((CHART / "files/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


class Monitoring(StandaloneTest):
    flags = ("--enable-debug-panic", "--sim-churn=50")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        rules = pathlib.Path(folder.name) / "rules.yaml"
        rules.write_text(hurried((CHART / "files/alerts.yaml").read_text()))
        config = pathlib.Path(folder.name) / "prometheus.yaml"
        target = cls.api.removeprefix("http://")
        config.write_text(PROMETHEUS.format(rules=rules, target=target))
        cls.prometheus = f"http://127.0.0.1:{free_port()}"
        process = Process(
            *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder.name}/data"),
            f"--web.listen-address={cls.prometheus.removeprefix('http://')}",
        )
        cls.addClassCleanup(process.stop)
        wait_for("Prometheus", lambda: get(cls.prometheus + "/-/ready")[0] == 200)

    def query(self, expression):
        """The values of an instant query, those that are no numbers left out."""
        quoted = urllib.parse.quote(expression)
        answer = get_json(f"{self.prometheus}/api/v1/query?query={quoted}")
        values = [float(series["value"][1]) for series in answer["data"]["result"]]
        return [v for v in values if not math.isnan(v)]

    def firing(self, alert):
        return bool(self.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}'))

    def use(self, stop):
        """Reads, mistakes and panics until told to stop."""
        while not stop.wait(0.2):
            for path in (
                "/state/v1/summary",
                "/state/v1/pods?limit=5",
                "/api/v1/pods?limit=5",
                "/api/v1/nodes",
                "/state/v1/pods/none/none",
            ):
                get(self.api + path)

    def panic(self):
        for handler in HANDLERS:
            get(f"{self.api}/debug/panic?handler={handler}&kind=exception", method="POST")

    def test_every_query_of_the_dashboard_returns_data(self):
        stop = threading.Event()
        user = threading.Thread(target=self.use, args=(stop,))
        user.start()
        self.addCleanup(user.join)
        self.addCleanup(stop.set)
        watch = urllib.request.urlopen(self.api + "/api/v1/pods?watch=true", timeout=60)
        self.addCleanup(watch.close)
        wait_for("a first scrape", lambda: self.query("podkeeper_build_info"))
        self.panic()
        wait_for("panics", lambda: self.query("sum(podkeeper_panics_total) >= 4"))
        queries = list(dashboard_queries())
        self.assertGreaterEqual(len(queries), 30)
        for title, expression in queries:
            with self.subTest(panel=title, query=expression):
                wait_for(expression, lambda e=expression: self.query(e), limit_s=2 * RANGE_S)

    def test_the_alert_on_panics_fires_and_ends(self):
        wait_for("a first scrape", lambda: self.query("podkeeper_build_info"))
        get(f"{self.api}/debug/panic?handler=http&kind=exception", method="POST")
        wait_for("firing", lambda: self.firing("PodkeeperPanic"), limit_s=20)
        wait_for("resolved", lambda: not self.firing("PodkeeperPanic"), limit_s=40)

    def test_the_alert_on_a_replica_that_is_down_fires_and_ends(self):
        wait_for("a first scrape", lambda: self.query("up == 1"))
        self.assertEqual(type(self).daemon.stop(), 0)
        wait_for("firing", lambda: self.firing("PodkeeperDown"), limit_s=30)
        type(self).daemon = self.start()
        self.wait_ready()
        wait_for("resolved", lambda: not self.firing("PodkeeperDown"), limit_s=30)
