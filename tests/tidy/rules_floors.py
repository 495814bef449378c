"""Who may know whom: includes and link dependencies against the floor table."""

import re

from source_tree import Finding

# Folders of tests/ that stand above every room and may use simkube.
ABOVE_ALL = ("integration", "proofs", "bench", "world")
TABLE = "docs/ARCHITECTURE.md"


def floors(tree):
    """Every #include points strictly down; rooms of one floor do not know each other."""
    if not tree.floors:
        return [Finding(TABLE, 1, "the ```floors table is missing or empty")]
    findings = _rooms_without_a_floor(tree)
    for file in tree.cpp("pkg", "tests"):
        for offset, what in file.includes():
            message = _include_fault(tree.floors, file, what)
            if message:
                findings.append(file.finding(offset, message))
    return findings


def _rooms_without_a_floor(tree):
    folders = {file.parts[1] for file in tree.files.values()
               if file.under("pkg") and len(file.parts) > 2}
    return [Finding(TABLE, 1, f"pkg/{room} has no floor in the table")
            for room in sorted(folders - set(tree.floors))]


def _include_fault(floor_of, file, what):
    """What is wrong with `file` including `what`, or None."""
    included = re.match(r'"(pkg|tests|daemon)/(?:(\w+)/)?', what)
    if not included:
        if what.startswith('"') and file.under("pkg"):
            return f"{what}: include from the root, as \"pkg/<room>/<file>.h\""
        return None
    top, room = included.groups()
    if file.under("pkg"):
        if top != "pkg":
            return f"{what}: nothing under pkg/ knows {top}/"
        return _downward_fault(floor_of, file.parts[1], room, what)
    if top == "daemon" and file.parts[1] not in ABOVE_ALL + ("daemon",):
        return f"{what}: only {', '.join(ABOVE_ALL)} and tests/daemon stand above the daemon"
    return _test_fault(floor_of, file.parts[1], room, what) if top == "pkg" else None


def _downward_fault(floor_of, own, other, what):
    if own == other:
        return None
    if other not in floor_of:
        return f"{what}: room {other} has no floor in {TABLE}"
    if own not in floor_of or floor_of[other] < floor_of[own]:
        return None
    if floor_of[other] == floor_of[own]:
        return f"{what}: {own} and {other} share floor {floor_of[own]} and do not know each other"
    return f"{what}: upwards from floor {floor_of[own]} ({own}) to {floor_of[other]} ({other})"


def _test_fault(floor_of, own, other, what):
    if other not in floor_of:
        return f"{what}: room {other} has no floor in {TABLE}"
    if own not in floor_of or own == "daemon":
        return None
    if other == "simkube" and own != "simkube":
        return f"{what}: simkube is for tests/simkube and {', '.join(ABOVE_ALL)}"
    if floor_of[other] > floor_of[own]:
        return (f"{what}: a test of {own} (floor {floor_of[own]}) reaches up to {other} "
                f"(floor {floor_of[other]})")
    return None


def _paragraphs(file, function):
    """(offset, name, DEPS) of each call of a CMake function in `file`."""
    if not file:
        return
    for call in re.finditer(rf"^[ \t]*{function}\(\s*(\w+)([^)]*)\)", file.text, re.M):
        deps = re.search(r"\bDEPS\s+([\w\s]*?)(?=\bLIBS\b|$)", call.group(2))
        yield call.start(), call.group(1), deps.group(1).split() if deps else []


def link_dependencies(tree):
    """DEPS in CMake point strictly down, and reach every room that is included."""
    findings = []
    reach = {}
    rooms = tree.files.get("pkg/CMakeLists.txt")
    for offset, own, deps in _paragraphs(rooms, "pk_room"):
        reach[own] = {own}.union(*(reach.get(dep, {dep}) for dep in deps))
        for dep in deps:
            fault = _downward_fault(tree.floors, own, dep, f"DEPS {dep}")
            if fault:
                findings.append(rooms.finding(offset, fault))
    for room in sorted(tree.floors.keys() - reach.keys() - {"daemon"}):
        findings.append(Finding(TABLE, 1, f"room {room} has no pk_room in pkg/CMakeLists.txt"))
    tests = tree.files.get("tests/CMakeLists.txt")
    for offset, own, deps in _paragraphs(tests, "pk_test"):
        for dep in deps:
            fault = _test_fault(tree.floors, own, dep, f"DEPS {dep}")
            if fault:
                findings.append(tests.finding(offset, fault))
    return findings + _unreached_includes(tree, reach)


def _unreached_includes(tree, reach):
    findings = []
    for file in tree.cpp("pkg"):
        own = file.parts[1]
        for offset, what in file.includes():
            room = re.match(r'"pkg/(\w+)/', what)
            if room and own in reach and room.group(1) not in reach[own]:
                message = f"{what}: add {room.group(1)} to the DEPS of {own} in pkg/CMakeLists.txt"
                findings.append(file.finding(offset, message))
    return findings
