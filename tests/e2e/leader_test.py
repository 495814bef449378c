"""Three replicas that elect their leader by a Lease of a real server: leaders are killed, stopped
and told to end; never do two write, judged by the server's audit log and etcd's revisions."""

import contextlib
import datetime
import itertools
import json
import pathlib
import re
import signal
import tempfile
import threading
import time
import unittest

import yaml

from cluster import POLICIES, Client, Cluster, ROOT
from replica import serving, wait_ready

from support import wait_for

NAMESPACE = "podkeeper-system"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/podkeeper"
SAMPLE = ROOT / "config/samples/quiet-namespaces-mutex.yaml"
POLICY = POLICIES + "/" + yaml.safe_load(SAMPLE.read_text())["metadata"]["name"]
LEASE_S, RENEW_S, RETRY_S = 6, 4, 1
ELECTION = (
    *("--leader-elect", f"--leader-elect-resource-namespace={NAMESPACE}"),
    f"--leader-elect-lease-duration={LEASE_S}s",
    f"--leader-elect-renew-deadline={RENEW_S}s",
    f"--leader-elect-retry-period={RETRY_S}s",
)
REQUEST_S = 1  # what a busy machine takes for one request, its disk included
TAKEOVERS = 10
EDITS_S = 0.2
MERGE_PATCH = "application/merge-patch+json"
# Every change of what replicas write, with what was asked and what was answered.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch"],
            "resources": [
                {"group": "coordination.k8s.io", "resources": ["leases"]},
                {
                    "group": "podkeeper.dev",
                    "resources": ["concurrentmappolicies", "concurrentmappolicies/status"],
                },
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
            ],
            "namespaces": [NAMESPACE, "default", ""],
        },
        {"level": "None"},
    ],
}


def seconds(micro_time):
    return datetime.datetime.strptime(micro_time, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


class Candidate:
    """A podkeeperd with a service account of its own, by which the server tells who wrote."""

    def __init__(self, cluster, account):
        cluster.must("create", "serviceaccount", account, "-n", NAMESPACE)
        self.user = f"system:serviceaccount:{NAMESPACE}:{account}"
        self.kubeconfig = cluster.path(f"{account}.kubeconfig")
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "e2e",
            "clusters": [
                {
                    "name": "e2e",
                    "cluster": {
                        "server": cluster.url,
                        "certificate-authority": cluster.path("pki/ca.crt"),
                    },
                }
            ],
            "users": [{"name": "e2e", "user": {"token": cluster.token(NAMESPACE, account)}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        }
        pathlib.Path(self.kubeconfig).write_text(yaml.safe_dump(config))
        self.running = contextlib.ExitStack()
        self.start()

    def start(self):
        flags = (f"--kubeconfig={self.kubeconfig}", *ELECTION)
        self.replica = self.running.enter_context(serving(*flags))
        wait_ready(self.replica)
        said = re.search(r"leader_election_started.*identity=(\S+)", self.replica.process.output())
        self.identity = said[1]

    def signal(self, number):
        self.replica.process.popen.send_signal(number)

    def restart(self):
        self.running.close()
        self.start()


class Leadership(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (scratch / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
        cls.audit = scratch / "audit.log"
        cls.cluster = Cluster(
            flags=(f"audit-policy-file={scratch}/audit.yaml", f"audit-log-path={cls.audit}")
        )
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.apply_crd()
        cls.cluster.create_namespace(NAMESPACE)
        cls.cluster.must(
            *("create", "clusterrolebinding", "replicas", "--clusterrole=cluster-admin"),
            f"--group=system:serviceaccounts:{NAMESPACE}",
        )
        cls.candidates = []
        for number in range(3):
            candidate = Candidate(cls.cluster, f"replica-{number}")
            cls.addClassCleanup(candidate.running.close)
            cls.candidates.append(candidate)

    def spec(self):
        return self.cluster.client.get(LEASE)["spec"]

    def leader(self):
        holder = self.spec()["holderIdentity"]
        return next((c for c in self.candidates if c.identity == holder), None)

    def another_than(self, old):
        spec = self.spec()
        return spec if spec["holderIdentity"] not in ("", old.identity) else None

    def take_over(self, fault):
        """Lets the fault befall the leader; gives how long the lease was without one that acts."""
        old = wait_for("a leader", self.leader)
        begun = time.time()
        old.signal(fault)
        new = wait_for("another leader", lambda: self.another_than(old), 60)
        taken = seconds(new["acquireTime"])
        if fault == signal.SIGSTOP:
            # It comes back while the next one leads.
            old.signal(signal.SIGCONT)
        else:
            old.replica.process.popen.wait(20)
            old.restart()
        return begun, taken

    def entries(self):
        """The audit log's changes that succeeded: (revision, entry), by revision."""
        found = []
        for line in self.audit.read_text().splitlines():
            entry = json.loads(line)
            answer = entry.get("responseObject", {})
            if entry["responseStatus"]["code"] < 300 and "metadata" in answer:
                found.append((int(answer["metadata"]["resourceVersion"]), entry))
        return sorted(found, key=lambda one: (one[0], one[1]["stageTimestamp"]))

    def releases(self):
        """When the lease was given up and then taken, by the clocks of those who did: this host's
        one clock."""
        changes = [e for _, e in self.entries() if e["objectRef"]["resource"] == "leases"]
        specs = [e["responseObject"]["spec"] for e in changes]
        for freed, taken in itertools.pairwise(specs):
            if not freed["holderIdentity"]:
                yield seconds(taken["acquireTime"]) - seconds(freed["renewTime"])

    def test_ten_take_over_and_never_do_two_write(self):
        self.cluster.must("apply", "-f", str(SAMPLE))
        stop = threading.Event()
        editing = threading.Thread(target=self.edit, args=(stop,))
        editing.start()
        try:
            kinds = itertools.cycle((signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM))
            for fault in itertools.islice(kinds, TAKEOVERS):
                with self.subTest(fault=fault.name):
                    begun, taken = self.take_over(fault)
                    self.assertLessEqual(taken - begun, LEASE_S + RETRY_S + REQUEST_S)
            listed = self.cluster.must("get", "lease", "podkeeper", "-n", NAMESPACE)
            self.assertRegex(listed, r"^NAME +HOLDER +AGE\npodkeeper +\S+_[0-9a-f-]{36} ")
        finally:
            stop.set()
            editing.join()
        freed = list(self.releases())
        self.assertGreaterEqual(len(freed), TAKEOVERS // 3)
        self.assertLess(max(freed), RETRY_S + REQUEST_S)
        self.judge_writes()

    def edit(self, stop):
        """Gives the leader something to write all the time."""
        client = Client(self.cluster)
        for priority in itertools.cycle(range(100)):
            if stop.wait(EDITS_S):
                return
            client.ask("PATCH", POLICY, {"spec": {"priority": priority}}, MERGE_PATCH)

    def judge_writes(self):
        """What is said for all was written by the holder of the lease at that revision."""
        holder, said, writers, seen, told = None, {}, {}, set(), []
        for revision, entry in self.entries():
            if revision in seen:
                continue  # nothing was changed
            seen.add(revision)
            user, answer = entry["user"]["username"], entry["responseObject"]
            resource = entry["objectRef"]["resource"]
            if resource == "leases":
                holder = user if answer["spec"]["holderIdentity"] else None
                continue
            if answer.get("reason") == "LeaderElection":
                told.append(answer)  # each tells of itself, also when its term is over
                continue
            before, said = said, common(answer) if resource != "events" else said
            leads = resource == "events" or said != before
            if leads and user.startswith("system:serviceaccount:"):
                self.assertEqual(user, holder, f"revision {revision}: {entry['requestURI']}")
                writers[user] = writers.get(user, 0) + 1
        self.assertGreater(len(writers), 1, "several wrote, each in its terms")
        self.assertGreaterEqual(sum(writers.values()), TAKEOVERS)
        self.judge_news(told)

    def judge_news(self, told):
        """Changes of leaders were told by Events about the Lease."""
        uid = self.cluster.client.get(LEASE)["metadata"]["uid"]
        for event in told:
            about = event["regarding"]
            self.assertEqual((about["kind"], about["uid"]), ("Lease", uid))
            self.assertEqual(event["metadata"]["namespace"], NAMESPACE)
        # Whoever is killed as soon as it leads cannot tell of it; who leads last does.
        began = self.spec()["holderIdentity"] + " became leader"
        describe = ("describe", "lease", "podkeeper", "-n", NAMESPACE)
        wait_for(began, lambda: began in self.cluster.must(*describe))
        ends = {event["note"].split(" ", 1)[1] for event in told}
        self.assertEqual(ends, {"became leader", "stopped leading"})


def common(policy):
    """What a policy's status says for all: everything but the instances, which write their own."""
    return {k: v for k, v in policy.get("status", {}).items() if k != "instances"}
