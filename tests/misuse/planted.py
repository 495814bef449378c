#!/usr/bin/python3
"""Shows that a tool finds a planted misuse, and says nothing of the sound code beside it.

    planted.py thread|address|clang_tidy CASE.cc      the compiler comes from $CXX

The case's first line names what the tool must say; with -DPK_MISUSE the case is wrong, without it
is sound.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Warnings are off: what a sanitizer finds shall not be told by the compiler before.
SANITIZE = ["-std=c++23", f"-I{ROOT}", "-O0", "-g1", "-w", "-pthread", "-fno-sanitize-recover=all"]
SANITIZERS = {"thread": "thread", "address": "address,undefined"}
TIDY = ["-std=c++23", f"-I{ROOT}", "-DBOOST_ASIO_SEPARATE_COMPILATION",
        "-DBOOST_ASIO_DISABLE_BOOST_COROUTINE"]


def run(*command):
    done = subprocess.run(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100,
                          env=os.environ | {"TSAN_OPTIONS": "", "ASAN_OPTIONS": "",
                                            "UBSAN_OPTIONS": ""}, check=False)
    return done.returncode, done.stdout


def sanitized(tool, case, defines, folder):
    program = str(pathlib.Path(folder, "case"))
    code, output = run(os.environ["CXX"], *SANITIZE, f"-fsanitize={SANITIZERS[tool]}", *defines,
                       str(case), "-o", program)
    if code != 0:
        sys.exit(f"{case} does not compile {defines}:\n{output}")
    return run(program)


def main(tool, name):
    case = pathlib.Path(name).resolve()
    says = re.match(r"// says: (.+)\n", case.read_text(encoding="utf-8"))
    if not says:
        sys.exit(f"{case}: the first line must be '// says: <words of the tool>'")
    for defines, wrong in ((["-DPK_MISUSE"], True), ([], False)):
        if tool == "clang_tidy":
            code, output = run("clang-tidy-19", "-quiet", str(case), "--", *TIDY, *defines)
        else:
            with tempfile.TemporaryDirectory() as folder:
                code, output = sanitized(tool, case, defines, folder)
        found = code != 0 and says.group(1) in output
        if wrong and not found:
            sys.exit(f"not found (exit code {code}), wanted '{says.group(1)}':\n{output}")
        if not wrong and code != 0:
            sys.exit(f"the sound code is blamed (exit code {code}):\n{output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
