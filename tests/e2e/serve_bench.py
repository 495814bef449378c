"""Reads of the same 10,000 pods and 500 nodes from kube-apiserver and from its replica, in one run,
turn about: GET, LIST, LIST of one node's pods, and watches. CPU time is the processes' own, of the
server that of kube-apiserver and etcd. The server speaks TLS and checks a token, the replica
neither yet.
"""

import argparse
import asyncio
import http.client
import json
import os
import pathlib
import re
import ssl
import statistics
import subprocess
import sys
import threading
import time
import typing
import urllib.parse

from cluster import Cluster
from credentials import reader_token
from replica import replica, wait_ready

from support import get_json, program, wait_for

TICKS = os.sysconf("SC_CLK_TCK")
MERGE = "application/merge-patch+json"
ACCEPT = "Accept: application/json"
LIST_LIMIT_S = 120


class Size(typing.NamedTuple):
    rounds: int
    get_s: int
    lists: int
    watchers: int
    patches: int


FULL = Size(rounds=3, get_s=3, lists=3, watchers=100, patches=300)
SMALL = Size(rounds=1, get_s=1, lists=1, watchers=5, patches=20)
GET_CONNECTIONS = 8


class Side:
    """One of the two servers: where it is, whose processes it is, and what a request needs."""

    def __init__(self, name, url, pids, token=None, authority=None):
        self.name, self.url, self.pids, self.token = name, url, pids, token
        self.headers = {"Accept": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.context = ssl.create_default_context(cafile=authority) if authority else None

    def cpu_s(self):
        """User and system time of its processes so far."""
        spent = 0
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
        return spent / TICKS

    def resident_mib(self):
        pages = [int(pathlib.Path(f"/proc/{p}/statm").read_text().split()[1]) for p in self.pids]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Cost(typing.NamedTuple):
    """Of one request, or of one event that was delivered to one watcher; 0 where not taken."""

    cpu_ms: float
    p50_ms: float
    p99_ms: float
    each_s: float  # requests a second


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def many(side, path, seconds):
    """As many requests as go, over a few connections, by wrk."""
    command = ["wrk", "-t1", f"-c{GET_CONNECTIONS}", f"-d{seconds}s", "--latency", "-H", ACCEPT]
    if side.token:
        command += ["-H", f"Authorization: Bearer {side.token}"]
    before = side.cpu_s()
    run = subprocess.run(
        [*command, side.url + path], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    if "Non-2xx" in run or "Socket errors" in run:
        raise AssertionError(run)
    requests = int(re.search(r"(\d+) requests in", run)[1])
    p50, p99 = (milliseconds(re.search(rf"{p}%\s+(\S+)", run)[1]) for p in (50, 99))
    each_s = float(re.search(r"Requests/sec:\s+([\d.]+)", run)[1])
    return Cost((side.cpu_s() - before) * 1000 / requests, p50, p99, each_s)


def one_by_one(side, path, count):
    """Requests one after the other over one connection, whole bodies read."""
    host = urllib.parse.urlsplit(side.url)
    kind = http.client.HTTPSConnection if side.context else http.client.HTTPConnection
    secured = {"context": side.context} if side.context else {}
    connection = kind(host.hostname, host.port, timeout=LIST_LIMIT_S, **secured)
    before, took = side.cpu_s(), []
    for _ in range(count):
        began = time.monotonic()
        connection.request("GET", path, headers=side.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise AssertionError(f"{side.name} {path}: {answer.status}")
        while answer.read(1 << 20):
            pass
        took.append((time.monotonic() - began) * 1000)
    connection.close()
    cpu_ms = (side.cpu_s() - before) * 1000 / count
    return Cost(cpu_ms, statistics.median(took), 0, 1000 / statistics.mean(took))


class Watchers:
    """Watches of all pods, each until it has seen a word."""

    def __init__(self, side, count, word):
        self.side, self.count, self.word = side, count, word.encode()
        self.watching = self.seen = 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self.all()), daemon=True)

    async def all(self):
        await asyncio.gather(*(self.one() for _ in range(self.count)))

    async def one(self):
        host = urllib.parse.urlsplit(self.side.url)
        reader, writer = await asyncio.open_connection(
            host.hostname, host.port, ssl=self.side.context, limit=1 << 20
        )
        headers = "".join(f"{k}: {v}\r\n" for k, v in self.side.headers.items())
        target = f"/api/v1/pods?watch=1&resourceVersion={self.revision}"
        request = f"GET {target} HTTP/1.1\r\nHost: {host.netloc}\r\n{headers}\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise AssertionError(head.decode())
        self.watching += 1
        rest = b""
        while self.word not in rest:
            more = await reader.read(1 << 18)
            if not more:
                raise AssertionError("a watch ended early")
            rest = rest[-len(self.word) :] + more
        self.seen += 1
        writer.close()

    def start(self, revision):
        self.revision = revision
        self.thread.start()
        wait_for(f"{self.count} watches", lambda: self.watching == self.count)

    def finish(self):
        self.thread.join(60)
        if self.seen != self.count:
            raise AssertionError(f"{self.side.name}: {self.seen} of {self.count} saw the end")


class Comparison:
    def __init__(self, cluster, server, mirror, size):
        self.cluster, self.server, self.mirror, self.size = cluster, server, mirror, size
        pods = cluster.client.get("/api/v1/pods")
        self.pods = [p["metadata"] for p in pods["items"]]
        self.node = pods["items"][0]["spec"]["nodeName"]
        self.words = 0

    def turn_about(self, what):
        """{side: the round of least CPU time}; what gives the Cost of a Side."""
        rounds = {side: [] for side in (self.server, self.mirror)}
        for _ in range(self.size.rounds):
            for side, costs in rounds.items():
                costs.append(what(side))
        return {side: min(costs) for side, costs in rounds.items()}

    def get(self):
        path = f"/api/v1/namespaces/{self.pods[0]['namespace']}/pods/{self.pods[0]['name']}"
        return self.turn_about(lambda side: many(side, path, self.size.get_s))

    def list_of_a_node(self):
        path = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.node}&resourceVersion=0"
        return self.turn_about(lambda side: many(side, path, self.size.get_s))

    def list_of_all(self):
        path = "/api/v1/pods?resourceVersion=0"
        return self.turn_about(lambda side: one_by_one(side, path, self.size.lists))

    def patch(self, word):
        """Status patches, of which the last one bears the word; CPU seconds of both sides."""
        before = {side: side.cpu_s() for side in (self.server, self.mirror)}
        for i in range(self.size.patches):
            pod = self.pods[i % len(self.pods)]
            message = word if i == self.size.patches - 1 else f"patch {i} before {word[:-1]}"
            path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/status"
            status, answer, _ = self.cluster.client.ask(
                "PATCH", path, {"status": {"message": message}}, MERGE
            )
            if status != 200:
                raise AssertionError(answer)
        return before

    def spent(self, before):
        return {side: side.cpu_s() - was for side, was in before.items()}

    def watched(self):
        """What watchers add to what the same patches cost without any, each event each watcher;
        the sum of all rounds, since a server's own housekeeping comes and goes."""
        events = self.size.rounds * self.size.patches * self.size.watchers
        added = {self.server: 0.0, self.mirror: 0.0}
        for _ in range(self.size.rounds):
            alone = self.patched_with(None)
            for side in added:
                added[side] += self.patched_with(side)[side] - alone[side]
        return {side: Cost(max(0.0, s) * 1000 / events, 0, 0, 0) for side, s in added.items()}

    def patched_with(self, side):
        self.words += 1
        word = f"the-end-{self.words}-"
        watchers = Watchers(side, self.size.watchers, word) if side else None
        if watchers:
            revision = get_json(self.mirror.url + "/api/v1/pods?limit=1")["metadata"]
            watchers.start(revision["resourceVersion"])
        before = self.patch(word)
        if watchers:
            watchers.finish()
        self.wait_mirrored(word)
        return self.spent(before)

    def wait_mirrored(self, word):
        pod = self.pods[self.size.patches - 1]
        path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}"
        there = lambda: get_json(self.mirror.url + path)["status"].get("message") == word
        wait_for("mirrored", there)


def figures_of(name, costs, server, mirror, peer):
    """Those of one comparison: CPU time of ours, with the server's as a multiple of it."""
    ours, theirs = costs[mirror], costs[server]

    def figure(mine, other, unit):
        return {"value": round(mine, 4), "unit": unit, "peer": peer,
                "ratio": round(other / mine, 2) if mine else None}  # fmt: skip

    print(f"{name:12} CPU {ours.cpu_ms:9.3f} ms, server {theirs.cpu_ms:9.3f} ms")
    found = {f"{name}_cpu_ms": figure(ours.cpu_ms, theirs.cpu_ms, "ms")}
    if ours.p50_ms:
        print(f"{'':12} p50 {ours.p50_ms:9.3f} ms, server {theirs.p50_ms:9.3f} ms; "
              f"{ours.each_s:.1f} a second, server {theirs.each_s:.1f}")  # fmt: skip
        found[f"{name}_p50_ms"] = figure(ours.p50_ms, theirs.p50_ms, "ms")
    if ours.p99_ms:
        found[f"{name}_p99_ms"] = figure(ours.p99_ms, theirs.p99_ms, "ms")
    return found


def compare(size):
    cluster = Cluster(loaded=True)
    try:
        token = reader_token(cluster)
        with replica(cluster) as daemon:
            wait_ready(daemon)
            version = cluster.client.get("/version")["gitVersion"]
            peer = f"kube-apiserver {version} with etcd, over TLS"
            print(f"{peer}; {subprocess.getoutput(program('podkeeperd') + ' --version')}")
            pids = [cluster.apiserver_pid(), cluster.etcd_pid()]
            server = Side("server", cluster.url, pids, token, cluster.path("pki/ca.crt"))
            mirror = Side("replica", daemon.api, [daemon.process.popen.pid])
            comparison = Comparison(cluster, server, mirror, size)
            figures = {}
            for name, costs in (
                ("get", comparison.get()),
                ("list_node", comparison.list_of_a_node()),
                ("list_all", comparison.list_of_all()),
                ("watch_event", comparison.watched()),
            ):
                figures |= figures_of(name, costs, server, mirror, peer)
            ours, theirs = mirror.resident_mib(), server.resident_mib()
            print(f"{'resident':12} {ours:.0f} MiB, server {theirs:.0f} MiB")
            figures["resident_mib"] = {"value": round(ours, 1), "unit": "MiB", "peer": peer,
                                       "ratio": round(theirs / ours, 2)}  # fmt: skip
            return figures
    finally:
        cluster.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    print(json.dumps(compare(SMALL if parser.parse_args().small else FULL)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
