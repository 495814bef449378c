"""The chart's README: its fixed part, and a table of the values made from values.yaml."""

import json
import re

import yaml

HEAD = """<!-- Written by scripts/generate from values.yaml. -->
# Chart podkeeper

Runs [podkeeper](../../README.md), a read replica of Kubernetes cluster state. Needs Kubernetes 1.27
and Helm 3.

```
helm install podkeeper charts/podkeeper -n podkeeper-system --create-namespace \\
  --set image.registry=REGISTRY
helm test podkeeper -n podkeeper-system
```

No image is published yet: build it from the repository's `Dockerfile` and push it to a registry of
yours. [docs/deploy.md](../../docs/deploy.md) has each step.

## What works, and what does not yet

* Each replica mirrors pods and nodes (and deployments and namespaces, if told) and answers
  `/metrics`, `/healthz`, `/livez` and `/readyz` through the Service.
* podkeeperd reaches the API server over TLS with the token of its service account, which only its
  container gets, with the rights of the ClusterRole and no more. `apiserver.url` names another
  server, without TLS and token.
* podkeeperd does not authenticate its readers yet. So the API (`/state`, `/api`, `/apis`) listens
  on the pod's loopback only, where `kubectl port-forward` reaches it; the Service does not offer
  it. Who may port-forward to these pods may read what they mirror.
* Metrics and health are plain HTTP. `networkPolicy.enabled` limits who reaches them.
* There is no leader election: each replica writes its own entry of a policy's status.
* A change of `config` rolls the pods; podkeeperd does not reload its configuration yet.

## Values

Unknown keys and wrong types are refused with the key's name.

| key | default | what it does |
|---|---|---|
"""


def rows(text):
    """(key, default as JSON, description) of each value whose comment begins with "# --"."""
    values = yaml.safe_load(text)
    path, description = [], None
    for line in text.splitlines():
        comment = re.match(r" *# -- (.*)", line)
        if comment:
            description = comment[1]
            continue
        key = re.match(r"( *)([A-Za-z]\w*):", line)
        if not key:
            continue
        depth = len(key[1]) // 2
        path = path[:depth] + [key[2]]
        if description is None:
            continue
        value = values
        for name in path:
            value = value[name]
        yield ".".join(path), json.dumps(value), description
        description = None


def undocumented(text):
    """Values that no row covers: neither they nor a mapping around them have a description."""
    covered = {key for key, _, _ in rows(text)}

    def walk(value, path):
        if ".".join(path) in covered:
            return []
        if isinstance(value, dict) and value:
            return [k for name, v in value.items() for k in walk(v, path + [name])]
        return [".".join(path)]

    return walk(yaml.safe_load(text), [])


def readme(text):
    missing = undocumented(text)
    if missing:
        raise SystemExit(f"values.yaml: without a description (# --): {', '.join(missing)}")
    table = "".join(
        f"| `{key}` | `{default}` | {description} |\n" for key, default, description in rows(text)
    )
    return HEAD + table
