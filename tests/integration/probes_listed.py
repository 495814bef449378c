#!/usr/bin/env python3
"""Tracers find every tracepoint in the programs, with its arguments, and only a nop at its place.

    probes_listed.py MAPS_BT PROGRAM...

Reads what readelf shows of each program, and of a stripped copy of it, as the image holds one. The
script MAPS_BT may use those tracepoints and arguments alone.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

# As pkg/cmap/probes.h tells them.
ARGUMENTS = {"find": 6, "put": 6, "erase": 6, "iterate_begin": 3, "iterate_end": 3, "grow": 5,
             "migrate": 6}
NOP = 0x90


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def notes(program):
    """(name, location, semaphore, arguments) of each note of provider podkeeper."""
    pattern = re.compile(r"Provider: podkeeper\s+Name: (\S+)\s+"
                         r"Location: (\S+), Base: \S+, Semaphore: (\S+)\s+Arguments: (.*)")
    return [(name, int(location, 16), int(semaphore, 16), arguments.split())
            for name, location, semaphore, arguments in
            pattern.findall(run("readelf", "--notes", "--wide", program))]


def segments(program):
    """(address, offset, bytes in the file) of each LOAD segment."""
    fields = [line.split() for line in
              run("readelf", "--program-headers", "--wide", program).splitlines()]
    return [(int(f[2], 16), int(f[1], 16), int(f[4], 16)) for f in fields if f[:1] == ["LOAD"]]


def bytes_at(program, address, count):
    """What the file has for an address; zeros where it has nothing, as in .bss."""
    for begin, offset, size in segments(program):
        if begin <= address < begin + size:
            with open(program, "rb") as file:
                file.seek(offset + address - begin)
                return file.read(count)
    return bytes(count)


def check_program(program):
    found = notes(program)
    listed = sorted((name, len(arguments)) for name, _, _, arguments in found)
    assert listed == sorted(ARGUMENTS.items()), f"{program} lists {listed}"
    for name, location, semaphore, arguments in found:
        assert bytes_at(program, location, 1) == bytes([NOP]), f"{program}: no nop at {name}"
        assert semaphore != 0, f"{program}: {name} has no semaphore"
        assert bytes_at(program, semaphore, 2) == b"\0\0", f"{program}: {name} is watched"
        for argument in arguments:
            assert re.fullmatch(r"-?[1248]@(%\w+|\$-?\d+)", argument), f"{name}: {argument}"


def check_script(script):
    clauses = re.findall(r"((?:usdt:\*:podkeeper:\w+,?\s+)+)((?:/.*/\s+)?\{[^}]*\})",
                         pathlib.Path(script).read_text(encoding="utf-8"))
    used = set()
    for probes, body in clauses:
        highest = max(int(n) for n in re.findall(r"\barg(\d)", body))
        for name in re.findall(r"podkeeper:(\w+)", probes):
            assert name in ARGUMENTS, f"{script} names a tracepoint {name}"
            assert highest < ARGUMENTS[name], f"{script}: {name} has no arg{highest}"
            used.add(name)
    assert used == set(ARGUMENTS), f"{script} uses {sorted(used)} only"


def main(script, *programs):
    check_script(script)
    for program in programs:
        check_program(program)
        with tempfile.TemporaryDirectory() as folder:
            stripped = str(pathlib.Path(folder) / "stripped")
            run("strip", "-o", stripped, program)
            check_program(stripped)


if __name__ == "__main__":
    main(*sys.argv[1:])
