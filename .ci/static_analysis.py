#!/usr/bin/env python3
"""Runs clang-tidy over pkg/ and daemon/, and remembers what it found clean.

    .ci/static_analysis.py BUILD_FOLDER      after that folder was built with Ninja

A file is analysed again when its text, a header it includes, its compile command, .clang-tidy or
clang-tidy itself changed. What was clean is remembered in ~/.cache/podkeeper/clang-tidy, which may
be removed at any time. Ends non-zero when anything was found.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
TIDY = "clang-tidy-19"


def main(build):
    build = pathlib.Path(build).resolve()
    commands = [entry for entry in json.loads((build / "compile_commands.json").read_text())
                if re.match(r"(?:pkg|daemon)/", os.path.relpath(entry["file"], ROOT))]
    dependencies = read_dependencies(build)
    clean = CACHE / "podkeeper" / "clang-tidy"
    clean.mkdir(parents=True, exist_ok=True)
    keys = {entry["file"]: key_of(entry, dependencies) for entry in commands}
    todo = sorted(file for file, key in keys.items() if not (clean / key).exists())
    print(f"    {len(commands)} files, {len(todo)} to analyse", flush=True)

    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (file, seconds, findings) in enumerate(
                pool.map(functools.partial(analyse, build), todo), 1):
            print(f"[{done}/{len(todo)}] {os.path.relpath(file, ROOT)} {seconds:.1f} s", flush=True)
            if findings:
                found += 1
                print(findings, flush=True)
            else:
                (clean / keys[file]).touch()
    return 1 if found else 0


def analyse(build, file):
    began = time.monotonic()
    result = subprocess.run([TIDY, "-p", build, "-quiet", file], cwd=ROOT, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, check=False)
    findings = result.stdout.strip()
    if result.returncode != 0 and not findings:
        findings = result.stderr.strip() or f"{TIDY} ended with {result.returncode}"
    return file, time.monotonic() - began, findings


def read_dependencies(build):
    """By object file: every file that Ninja knows it was compiled from."""
    listed = subprocess.run(["ninja", "-C", build, "-t", "deps"], text=True, check=True,
                            capture_output=True).stdout
    dependencies = {}
    current = []
    for line in listed.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif ": #deps" in line:
            current = dependencies.setdefault(line.split(":", 1)[0], [])
    return dependencies


def key_of(entry, dependencies):
    digest = hashlib.sha256(tidy_version().encode())
    digest.update((ROOT / ".clang-tidy").read_bytes())
    digest.update(entry["command"].replace(str(ROOT), "").encode())
    # Without Ninja's knowledge (never built) the key is new each time: analyse it.
    output = re.search(r" -o (\S+)", entry["command"]).group(1)
    files = dependencies.get(output, [str(time.time_ns())])
    for file in sorted({os.path.normpath(os.path.join(entry["directory"], f)) for f in files}):
        digest.update(os.path.relpath(file, ROOT).encode() if file.startswith(str(ROOT))
                      else file.encode())
        digest.update(fingerprint(file, file.startswith(str(ROOT))))
    return digest.hexdigest()


@functools.cache
def fingerprint(file, own):
    """Our files by content, so that another clone finds them clean; the system's by their date."""
    try:
        if own:
            return hashlib.sha256(pathlib.Path(file).read_bytes()).digest()
        status = os.stat(file)
        return f"{status.st_size} {status.st_mtime_ns}".encode()
    except OSError:
        return b"absent"


@functools.cache
def tidy_version():
    return subprocess.run([TIDY, "--version"], text=True, check=True,
                          capture_output=True).stdout


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
