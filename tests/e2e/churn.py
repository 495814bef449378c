"""Writes to a real server without end: status patches, creates and deletes at a steady rate,
through whatever happens to the server."""

import collections
import http.client
import random
import threading
import time

from cluster import Client
from objects import UNGRACEFUL, new_pod

PHASES = ("Running", "Pending", "Succeeded", "Failed")
MERGE = "application/merge-patch+json"
RETRY_S = 0.5
# Beyond it a writer is behind for good, and lets go what it did not write.
BEHIND_LIMIT_S = 1.0


class Writer(threading.Thread):
    """One connection's part of the load, on pods that no other writer touches."""

    def __init__(self, cluster, index, paths, nodes, rates, seed):
        super().__init__(name=f"writer-{index}", daemon=True)
        self.cluster, self.index, self.rates = cluster, index, rates
        self.paths, self.nodes = paths, nodes
        self.random = random.Random(seed * 1000 + index)
        self.done = collections.Counter()  # (operation, status)
        self.broken = 0
        self.made = 0
        self.stopping = threading.Event()
        self.client = None

    def run(self):
        every_s = 1 / sum(self.rates.values())
        due = time.monotonic()
        while not self.stopping.is_set():
            due = max(due + every_s, time.monotonic() - BEHIND_LIMIT_S)
            self.stopping.wait(max(0.0, due - time.monotonic()))
            operation = self.random.choices(list(self.rates), list(self.rates.values()))[0]
            try:
                self.client = self.client or Client(self.cluster)
                status = getattr(self, operation)()
                self.done[operation, status] += 1
            except (OSError, http.client.HTTPException, ValueError):
                # Restarted, or of another CA: the next connection has the certificates of then.
                self.broken += 1
                self.client = None
                self.stopping.wait(RETRY_S)

    def patch(self):
        state = {
            "phase": self.random.choice(PHASES),
            "message": f"{self.name} {self.random.random()}",
            "podIP": f"10.{self.index}.{self.random.randrange(256)}.{self.random.randrange(256)}",
        }
        path = f"{self.random.choice(self.paths)}/status"
        return self.client.ask("PATCH", path, {"status": state}, MERGE)[0]

    def heartbeat(self):
        """As kubelets do: without it nodes are so quiet that their watch looks frozen."""
        name = self.random.choice(self.nodes)
        beat = {"metadata": {"annotations": {"example.com/heartbeat": str(self.random.random())}}}
        return self.client.ask("PATCH", f"/api/v1/nodes/{name}", beat, MERGE)[0]

    def create(self):
        self.made += 1
        collection = self.paths[0].rpartition("/")[0]
        name = f"churn-{self.index}-{self.made}"
        namespace = collection.split("/")[4]
        status = self.client.ask("POST", collection, new_pod(namespace, name, ""))[0]
        if status == 201:
            self.paths.append(f"{collection}/{name}")
        return status

    def delete(self):
        index = self.random.randrange(1, len(self.paths))
        self.paths[index], self.paths[-1] = self.paths[-1], self.paths[index]
        status = self.client.ask("DELETE", self.paths[-1], UNGRACEFUL)[0]
        if status in (200, 404):
            self.paths.pop()
        return status


class Churn:
    """Writers until the end of a `with` block."""

    def __init__(self, cluster, rates, writers, seed):
        """`rates`: how many of each operation (patch, create, delete, heartbeat: a method of
        Writer) all writers do a second."""
        pods = Client(cluster).list("/api/v1/pods")
        paths = [
            f"/api/v1/namespaces/{p['metadata']['namespace']}/pods/{p['metadata']['name']}"
            for p in pods
        ]
        nodes = [n["metadata"]["name"] for n in Client(cluster).list("/api/v1/nodes")]
        share = {operation: rate / writers for operation, rate in rates.items()}
        self.writers = [
            Writer(cluster, i, paths[i::writers], nodes, share, seed) for i in range(writers)
        ]

    def __enter__(self):
        self.began = time.monotonic()
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join()
        self.seconds = time.monotonic() - self.began

    def done(self):
        """How often each (operation, status) was."""
        return sum((writer.done for writer in self.writers), collections.Counter())
