"""Finished pods are deleted at a real server, as the chart switches it on: only those, only with
the right, never another one of the same name, and nothing by a dry run."""

import datetime

from objects import UNGRACEFUL, new_pod
from proxy import FaultProxy
from replica import wait_ready
from rights import NAMESPACE, ChartRights, Right, rights

from support import get, wait_for

PODS = "/api/v1/namespaces/default/pods"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
MERGE_PATCH = "application/merge-patch+json"
DELETE = Right("", "pods", "delete")
COUNTER = "podkeeper_pod_clean_ups_total"
FINALIZER = "podkeeper.dev/e2e"
# Minutes since their end, and how they ended; they are kept for an hour.
EXPIRED = {"succeeded": (120, "Succeeded"), "failed": (61, "Failed"), "guarded": (90, "Failed")}
KEPT = {"young": (30, "Succeeded"), "running": (120, "Running")}
DRY_RUN = ("--clean-up-terminal-pods=DryRun",)
# A sweep that failed is followed by another half a minute later.
SWEEPS_S = 120
# Where the watch is stuck, nothing tells the mirror.
BY_WATCH_ALONE = ("--audit-interval=0", "--watch-idle-timeout=10m")


def status_of(minutes, phase):
    """A pod's status; where it runs, its last container but one ended so long ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    ended = (now - datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    container = {
        **{"name": "app", "image": "i", "imageID": "", "ready": False, "restartCount": 0},
        "state": {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": ended}},
    }
    return {"phase": phase, "containerStatuses": [container]}


class PodCleanUp(ChartRights):
    values = (
        *("--set", "config.cleanUpTerminalPods=Enabled"),
        *("--set", "config.terminalPodTtl=1h"),
    )

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.must("create", "serviceaccount", "default", "--namespace=default")

    def setUp(self):
        self.addCleanup(self.remove_pods)
        for name, ended in {**EXPIRED, **KEPT}.items():
            self.make_pod(name, *ended)

    def ask(self, method, path, body=None, content_type="application/json"):
        status, answer, _ = self.cluster.client.ask(method, path, body, content_type)
        self.assertLess(status, 300, answer)
        return answer

    def make_pod(self, name, minutes, phase):
        pod = new_pod("default", name, "")
        if name == "guarded":
            pod["metadata"]["finalizers"] = [FINALIZER]
        self.ask("POST", PODS, pod)
        status = {"status": status_of(minutes, phase)}
        self.ask("PATCH", f"{PODS}/{name}/status", status, MERGE_PATCH)

    def remove_pods(self):
        self.free_guarded()
        for name in self.pods():
            self.ask("DELETE", f"{PODS}/{name}", UNGRACEFUL)

    def free_guarded(self):
        free = {"metadata": {"finalizers": None}}
        self.cluster.client.ask("PATCH", f"{PODS}/guarded", free, MERGE_PATCH)

    def pods(self):
        """Each pod's (uid, resourceVersion), by name."""
        items = self.cluster.client.get(PODS)["items"]
        return {
            p["metadata"]["name"]: (p["metadata"]["uid"], p["metadata"]["resourceVersion"])
            for p in items
        }

    def wait_gone(self, daemon, expired, limit_s=SWEEPS_S):
        gone = lambda: not expired & self.pods().keys()
        wait_for(lambda: f"gone: {self.pods()} {daemon.log()}", gone, limit_s)

    def test_exactly_the_expired_ones_are_deleted_with_the_rights_of_the_chart(self):
        before = self.pods()
        granted = {right for rules in self.roles.values() for right, _ in rights(rules)}
        self.assertIn(DELETE, granted)
        with self.podkeeperd() as daemon:
            wait_ready(daemon)
            self.wait_gone(daemon, EXPIRED.keys() - {"guarded"})
            deleted = lambda: daemon.metric(COUNTER, result="deleted")
            wait_for("all were asked for", lambda: deleted() == len(EXPIRED))
            guarded = self.cluster.client.get(f"{PODS}/guarded")
            self.assertIn("deletionTimestamp", guarded["metadata"])
            self.free_guarded()
            self.wait_gone(daemon, EXPIRED.keys())
            self.assertEqual(self.pods(), {name: before[name] for name in KEPT})
            # Each was asked for once, also the one that took its time.
            self.assertEqual(deleted(), len(EXPIRED))
            self.assertEqual(daemon.metric(COUNTER), len(EXPIRED))
            self.assertNotRegex(daemon.process.output(), r"(?i)forbidden|\b403\b")
            daemon.says("expired_pod_deleted.*default/succeeded")
            seen = lambda: get(f"{daemon.api}{PODS}/succeeded")[0] == 404
            wait_for("the replica saw it go", seen)

    def test_a_dry_run_changes_nothing(self):
        before = self.pods()
        with self.podkeeperd(flags=DRY_RUN) as daemon:
            wait_ready(daemon)
            tried = lambda: daemon.metric(COUNTER, result="dry_run") == len(EXPIRED)
            wait_for(lambda: f"each was tried: {daemon.log()}", tried)
            self.assertEqual(daemon.metric(COUNTER), len(EXPIRED))
            daemon.says("expired_pod_would_be_deleted.*default/succeeded")
        self.assertEqual(self.pods(), before)

    def test_without_the_right_it_names_it_and_goes_on_once_it_has_it(self):
        role = next(path for path, rules in self.roles.items() if DELETE in dict(rights(rules)))
        self.addCleanup(self.grant, role, self.roles[role])
        self.without(role, DELETE)
        before = self.pods()
        for flags in ((), DRY_RUN):
            with self.subTest(flags=flags), self.podkeeperd(flags=flags) as daemon:
                told = lambda: self.named(daemon, DELETE)
                wait_for(lambda: f"{DELETE.rule()} in {daemon.log()}", told)
                forbidden = lambda: daemon.metric(COUNTER, result="forbidden") >= len(EXPIRED)
                wait_for("all are refused", forbidden)
                self.assertEqual(self.pods(), before)
        with self.podkeeperd() as daemon:
            wait_for(lambda: daemon.log(), lambda: self.named(daemon, DELETE))
            self.grant(role, self.roles[role])
            self.wait_gone(daemon, EXPIRED.keys() - {"guarded"})

    def test_a_new_pod_of_the_same_name_is_not_met_though_the_mirror_is_old(self):
        with FaultProxy(self.cluster.url) as proxy:
            self.hold_lease()
            with self.podkeeperd(proxy.url, BY_WATCH_ALONE) as daemon:
                wait_ready(daemon)
                self.assertGreater(proxy.clog(), 0)
                self.ask("DELETE", f"{PODS}/succeeded", UNGRACEFUL)
                self.make_pod("succeeded", *KEPT["running"])
                label = {"metadata": {"labels": {"changed": "meanwhile"}}}
                self.ask("PATCH", f"{PODS}/failed", label, MERGE_PATCH)
                before = self.pods()
                self.release_lease()
                conflicts = lambda: daemon.metric(COUNTER, result="conflict") == 2
                wait_for(lambda: f"conflicts: {daemon.log()}", conflicts, SWEEPS_S)
                after = self.pods()
                for name in ("succeeded", "failed", *KEPT):
                    self.assertEqual(after[name], before[name])

    def hold_lease(self):
        """Somebody else leads."""
        self.cluster.client.ask("DELETE", f"{LEASES}/podkeeper")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "podkeeper"},
            "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 600},
        }
        self.ask("POST", LEASES, lease)

    def release_lease(self):
        free = {"spec": {"holderIdentity": ""}}
        self.ask("PATCH", f"{LEASES}/podkeeper", free, MERGE_PATCH)
