"""What a replica holds against what the server lists, by digests that are computed here."""

import hashlib
import json

from cluster import Client

from support import get_json, wait_for

CONVERGED_LIMIT_S = 30


def digests(items):
    """A digest of each object by its key. The replica may leave out managedFields."""
    found = {}
    for item in items:
        item["metadata"].pop("managedFields", None)
        meta = item["metadata"]
        canonical = json.dumps(item, sort_keys=True, separators=(",", ":")).encode()
        found[f"{meta.get('namespace', '')}/{meta['name']}"] = hashlib.sha256(canonical).digest()
    return found


def differing(ours, theirs):
    """The keys whose objects differ, or which one side lacks."""
    return sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))


def wait_equal(cluster, replica, path, limit_s=CONVERGED_LIMIT_S):
    """Until the replica's objects are those that the server lists now; gives these digests."""
    theirs = digests(Client(cluster).list(path))
    ours = {}

    def equal():
        nonlocal ours
        ours = digests(get_json(replica.api + path)["items"])
        return ours == theirs

    def what():
        keys = differing(ours, theirs)
        return f"equal lists of {path}: {len(keys)} objects differ, such as {keys[:5]}"

    wait_for(what, equal, limit_s)
    return theirs
