"""Objects that tests write."""

UNGRACEFUL = {"gracePeriodSeconds": 0}


def new_pod(namespace, name, node):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"made-by": "e2e"}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "app", "image": "registry.example.com/e2e:v1"}],
        },
    }
