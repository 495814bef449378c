"""The world comes in through its seams; tasks have a parent; libraries stay in their rooms."""

import re

# Proofs and benchmarks judge from outside: they have the world as it is.
OUTSIDE = ("tests/bench", "tests/proofs")

# (what, how it looks in code, folders and files that may besides pkg/runtime/real_*, what to use
# instead)
SEAMS = (
    ("a clock",
     r"\b(?:steady|system|high_resolution|utc)_clock::now\b|\bclock_gettime\b|\bgettimeofday\b"
     r"|(?<![\w.>:])(?:std::|::)?time\((?:nullptr|NULL|0)\)",
     # A fatal signal's handler has nobody to ask.
     (*OUTSIDE, "pkg/recovery/crash_report.cc"), "base::Clock"),
    ("a timer",
     r"\b(?:steady|system|high_resolution|deadline)_timer\b|\bbasic_waitable_timer\b",
     (), "base::Clock"),
    ("a sleep",
     r"\bthis_thread::sleep_\w+|(?<![\w:])::sleep\(|\busleep\(|\bnanosleep\b",
     OUTSIDE, "Clock::sleep_for on the world's clock"),
    ("a socket",
     r"\btcp::\w+|\blocal::stream_protocol\b|\btcp_stream\b|\bbasic_stream_socket\b"
     r"|(?<![\w.>])::(?:socket|connect|accept)\(",
     OUTSIDE, "base::Network"),
    ("another program",
     r"\bposix_spawnp?\b|(?<![\w.>:])(?:::)?(?:fork|vfork|execvp?e?|popen)\("
     r"|(?<![\w.>:])(?:std::|::)?system\(",
     ("tests",), "base::Processes"),
    ("randomness",
     r"\brandom_device\b|(?<![\w.>:])(?:std::)?s?rand\(|\bgetrandom\(",
     (), "base::Random"),
    # Seeded by a constant it is a fine source of cases for a test.
    ("randomness",
     r"\bmt19937(?:_64)?\b|\bdefault_random_engine\b|\bminstd_rand\w*",
     ("tests",), "base::Random"),
    ("a thread",
     r"\bstd::j?thread\b(?!::)|\bstd::async\b|\bpthread_create\b",
     ("tests",), "runtime::TaskGroup"),
    # The log writes from a thread of its own: nobody waits for its output, and it must also tell
    # what happens when the event loop is stuck.
    ("a thread pool", r"\bthread_pool\b", ("tests", "pkg/telemetry/log.cc"), "runtime::TaskGroup"),
)


def _real_world(file):
    return re.fullmatch(r"pkg/runtime/real_\w+\.(?:h|cc)", file.path)


def seams(tree):
    """Clocks, timers, sleeps, sockets, randomness and threads only where their seam is made."""
    findings = []
    for file in tree.cpp("pkg", "daemon", "tests"):
        if _real_world(file):
            continue
        for what, pattern, free, instead in SEAMS:
            if file.path in free or file.under(*free):
                continue
            for match in re.finditer(pattern, file.code):
                findings.append(file.finding(
                    match.start(), f"{what} outside its seam ({match.group(0)}): use {instead}"))
    return findings


def detached_tasks(tree):
    """A coroutine starts in TaskGroup (or at the root of a world), never detached."""
    findings = []
    for file in tree.cpp("pkg", "daemon", "tests"):
        if re.fullmatch(r"pkg/runtime/(?:task_group|real_\w+|simulated_\w+)\.cc", file.path):
            continue
        if file.under(*OUTSIDE):
            continue
        below_tasks = file.under("tests") and (
            tree.floors.get(file.parts[1], 9) < tree.floors.get("runtime", 0))
        for match in re.finditer(r"\bco_spawn\b|\bdetached\b|\.detach\(\)", file.code):
            # The test of a room below TaskGroup runs its coroutine on a loop of its own.
            if not (below_tasks and match.group(0) == "co_spawn"):
                findings.append(file.finding(
                    match.start(), f"{match.group(0)}: start tasks with TaskGroup::spawn"))
    return findings


def annotated_locks(tree):
    """Locks are base::Mutex, so that clang's thread-safety analysis sees them."""
    findings = []
    pattern = (r"\bstd::(?:shared_|recursive_|timed_|recursive_timed_|shared_timed_)?mutex\b"
               r"|\bstd::(?:lock_guard|unique_lock|scoped_lock|shared_lock)\b")
    for file in tree.cpp("pkg", "daemon"):
        # The map strategies Mutex and RWMutex are about these very locks.
        if re.fullmatch(r"pkg/base/mutex\.h|pkg/cmap/(?:rw_)?mutex_map\.h", file.path):
            continue
        for match in re.finditer(pattern, file.code):
            findings.append(file.finding(
                match.start(), f"{match.group(0)}: use base::Mutex and its guards"))
    return findings


def library_headers(tree):
    """Beast, simdjson, OpenSSL only in .cc files; nlohmann in headers only as json_fwd."""
    findings = []
    for file in tree.cpp("pkg", "daemon"):
        if file.suffix != ".h":
            continue
        for offset, what in file.includes():
            if re.match(r"<(?:boost/beast|simdjson|openssl|lmdb|yaml-cpp|CLI)\b", what):
                findings.append(file.finding(offset, f"{what}: include it in the .cc file"))
            elif what.startswith("<nlohmann/") and what != "<nlohmann/json_fwd.hpp>":
                findings.append(file.finding(offset, f"{what}: in a header only json_fwd.hpp"))
    return findings
