"""The alerts as an object of the Prometheus operator, for config/prometheus."""

HEAD = """# Written by scripts/generate from charts/podkeeper/files/alerts.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: podkeeper
  namespace: system
spec:
"""


def prometheus_rule(rules):
    """`rules` is Prometheus' own format; its text is kept, so that nobody has to parse it twice."""
    body = [line for line in rules.splitlines() if not line.startswith("#")]
    return HEAD + "".join(("  " + line if line else "") + "\n" for line in body)
