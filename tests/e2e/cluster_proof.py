"""A replica of a real cluster stays true to it through everything that happens to a cluster: 10,000
pods and 500 nodes under 60 status patches a second, with pods created and deleted, while
kube-apiserver is killed twice, etcd's history is compacted, token and CA are rotated, and a proxy
cuts, clogs, delays and leaves connections half open. In the end the mirror equals a fresh LIST by
digests that are computed here, and every LIST after the first is explained by a fault.
"""

import argparse
import json
import pathlib
import re
import sys
import time

from churn import Churn
from cluster import Cluster
from compare import wait_equal
from credentials import ACCOUNT, NAMESPACE, add_reader, revocable_token, revoke
from proxy import FaultProxy
from replica import pod, token_volume, wait_ready

from support import wait_for

RATES = {"patch": 60, "create": 3, "delete": 3, "heartbeat": 2}
WRITERS = 4
FULL_S, SMALL_S = 600, 100
BOOKMARK_LIMIT_S = 90  # a quiet mirror is told that it is current once a minute
START_LIMIT_S = 240  # what a server with 10,000 pods and another build beside it may take
SETTLED_LIMIT_S = 120
PATHS = ("/api/v1/pods", "/api/v1/nodes")
# What a LIST after the first says of itself, and after which faults it may.
EXPLAINED = (
    (r"(?i)too old resource version|expired|compacted|\b410\b", {"restart", "compact", "ca"}),
    (r"no byte for", {"clog", "half open"}),
    # A watch that is open and silent, while the server has more: found before it was given up.
    (r"self-audit found", {"clog", "half open"}),
)
# After its end: failures in a row are waited after for half a minute and more, then it LISTs.
EFFECT_S = 90


class Story:
    """The faults, one after the other, and when each was."""

    def __init__(self, cluster, proxy, volume, daemon):
        self.cluster, self.proxy, self.volume, self.daemon = cluster, proxy, volume, daemon
        self.happened = []  # (when it began, when it ended, name), as wall time
        self.tokens = 0

    def script(self):
        """(share of the run at which it happens, name, what happens)"""
        return (
            (0.04, "cut", self.cut),
            (0.10, "cut amid bytes", self.cut_amid_bytes),
            (0.18, "clog", self.clog),
            (0.28, "restart", self.cluster.restart_apiserver),
            (0.38, "token", self.rotate_token),
            (0.46, "half open", self.proxy.half_open),
            (0.54, "slow", self.slow),
            (0.60, "compact", self.compact),
            (0.68, "ca", self.rotate_authority),
            (0.80, "cut amid bytes", self.cut_amid_bytes),
            (0.86, "clog", self.clog),
            (0.92, "cut", self.cut),
        )

    def tell(self, duration_s):
        began = time.monotonic()
        for share, name, happen in self.script():
            time.sleep(max(0.0, began + share * duration_s - time.monotonic()))
            print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
            from_s = time.time()
            happen()
            self.happened.append((from_s, time.time(), name))
        time.sleep(max(0.0, began + duration_s - time.monotonic()))

    def cut(self):
        self.proxy.cut()

    def cut_amid_bytes(self):
        self.proxy.cut_next(3, 900, 1700, 5000, 70_000)
        self.proxy.cut()

    def clog(self):
        self.proxy.clog(0.5)
        time.sleep(4)
        self.proxy.unclog()

    def slow(self):
        self.proxy.delay_s, self.proxy.bytes_per_s = 0.2, 2_000_000
        self.proxy.cut()
        time.sleep(5)
        self.proxy.delay_s, self.proxy.bytes_per_s = 0.0, 0

    def compact(self):
        """The server forgets as well, which keeps a history of its own, and so must the replica."""
        self.cluster.compact()
        self.proxy.cut()

    def rotate_token(self):
        fresh = f"token-{self.tokens + 1}"
        self.volume.swap(token=revocable_token(self.cluster, fresh))
        taken = {"source": "file", "result": "success"}
        wait_for(
            "the new token",
            lambda: self.daemon.metric("podkeeper_token_reload_total", **taken) > self.tokens,
        )
        revoke(self.cluster, f"token-{self.tokens}")
        self.tokens += 1
        self.proxy.cut()

    def rotate_authority(self):
        """The second restart: the server's certificate is signed by another CA from here on."""
        self.cluster.rotate_pki()
        self.cluster.restart_apiserver()
        self.volume.swap(ca_crt=pathlib.Path(self.cluster.path("pki/ca.crt")).read_text())
        wait_for(
            "the new CA",
            lambda: self.daemon.metric("podkeeper_tls_reloads_total", result="success") >= 1,
        )


def relists(daemon):
    """(when as wall time, resource, reason) of each LIST after the first, by the log."""
    for line in daemon.process.output().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("msg") == "listed" and entry["reason"] != "start":
            yield entry["ts"] / 1000, entry["resource"], entry["reason"]


def unexplained(daemon, happened, until):
    """The LISTs after the first, up to the end of the churn, that no fault explains. After that
    nothing comes from upstream but a bookmark a minute, and a limit of 10 s does not wait for it.
    """
    for when, resource, reason in relists(daemon):
        if when > until:
            continue
        recent = {name for began, ended, name in happened if began <= when <= ended + EFFECT_S}
        if not any(re.search(words, reason) and recent & names for words, names in EXPLAINED):
            yield resource, reason, sorted(recent)


def prove(duration_s, seed):
    cluster = Cluster(loaded=True)
    try:
        add_reader(cluster)
        volume = token_volume(cluster, NAMESPACE, ACCOUNT)
        volume.swap(token=revocable_token(cluster, "token-0"))
        flags = ("--watch-idle-timeout=10s", "--logging-format=json")
        with (
            FaultProxy(cluster.url, seed) as proxy,
            pod(cluster, volume, *flags, url=proxy.url) as daemon,
        ):
            wait_ready(daemon, START_LIMIT_S)
            return run(cluster, proxy, volume, daemon, duration_s, seed)
    except BaseException:
        cluster.show_logs()
        raise
    finally:
        cluster.close()


def run(cluster, proxy, volume, daemon, duration_s, seed):
    story = Story(cluster, proxy, volume, daemon)
    with Churn(cluster, RATES, WRITERS, seed) as churn:
        story.tell(duration_s)
        churned_until = time.time()
    ended = time.monotonic()
    equal = {path: len(wait_equal(cluster, daemon, path, SETTLED_LIMIT_S)) for path in PATHS}
    settled_s = time.monotonic() - ended
    strange = list(unexplained(daemon, story.happened, churned_until))
    told = list(relists(daemon))
    counted = daemon.metric("podkeeper_reflector_relists_total", result="success")
    done = churn.done()
    good = {op: sum(n for (o, s), n in done.items() if o == op and s in (200, 201)) for op in RATES}
    figures = {
        "result": "pass",
        "seconds": round(churn.seconds, 1),
        "patches": good["patch"],
        "patchesPerSecond": round(good["patch"] / churn.seconds, 1),
        "creates": good["create"],
        "deletes": good["delete"],
        "writesBroken": sum(w.broken for w in churn.writers),
        "equalPods": equal["/api/v1/pods"],
        "equalNodes": equal["/api/v1/nodes"],
        "settledSeconds": round(settled_s, 1),
        "faults": [name for _, _, name in story.happened],
        "relists": [f"{resource}: {reason}" for _, resource, reason in told],
        "relistsCounted": int(counted),
        "unexplained": strange,
        "watchesBroken": int(daemon.metric("podkeeper_reflector_watches_total", result="error")),
        "watchesExpired": int(daemon.metric("podkeeper_reflector_watches_total", result="expired")),
        "residentMiB": round(daemon.resident_bytes() / 2**20),
        "ready": is_ready_by(daemon, BOOKMARK_LIMIT_S),
    }
    faults = {
        "a LIST is not explained": bool(strange),
        "LISTs are counted otherwise than told": counted != len(told),
        "not ready": not figures["ready"],
        "too few writes": good["patch"] < 0.6 * RATES["patch"] * churn.seconds,
    }
    for what in (w for w, is_so in faults.items() if is_so):
        print(what)
        figures["result"] = "fail"
    return figures


def is_ready_by(daemon, limit_s):
    try:
        wait_ready(daemon, limit_s)
    except AssertionError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        figures = prove(SMALL_S if options.small else FULL_S, options.seed)
    except AssertionError as why:
        print(why)
        figures = {"result": "fail", "why": str(why)[:200]}
    print(json.dumps(figures))
    return 0 if figures["result"] == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
