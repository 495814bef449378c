"""What fits a screen, and what a finished tree does not hold."""

import re

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
COLUMNS_MAX = 100

_NOT_A_FUNCTION = re.compile(
    r"^\s*(?:(?:inline|export)\s+)?(?:namespace|class|struct|enum|union|extern)\b")
_CONTROL = re.compile(r"\b(?:if|for|while|switch|catch|do|else|try)\b")


def header_guard(tree):
    """A header says #pragma once before anything else."""
    findings = []
    for file in tree.cpp("pkg", "daemon", "tests"):
        if file.suffix == ".h" and not re.match(r"\s*#pragma once\n", file.code):
            findings.append(file.finding(0, "a header begins with #pragma once"))
    return findings


def file_length(tree):
    """A file stays readable; with two reasons to change it divides."""
    findings = []
    for file in tree.cpp("pkg", "daemon"):
        if len(file.lines) > FILE_LINES_MAX:
            findings.append(file.finding(
                0, f"{len(file.lines)} lines, more than {FILE_LINES_MAX}: split it by reason"))
    return findings


def function_length(tree):
    """A function fits a screen."""
    findings = []
    for file in tree.cpp("pkg", "daemon"):
        for begin, end in _functions(file.code):
            lines = file.line_at(end) - file.line_at(begin) + 1
            if lines > FUNCTION_LINES_MAX:
                findings.append(file.finding(
                    begin, f"a function of {lines} lines, more than {FUNCTION_LINES_MAX}"))
    return findings


def _functions(code):
    """(begin, end) of every function body with its signature; what is inside one belongs to it."""
    stack = []  # per open brace: where its function began, or None; where its declaration began
    head = 0    # where the current declaration begins
    for match in re.finditer(r"[{};]", code):
        at, c = match.start(), match.group(0)
        if c == "{":
            text = re.sub(r"^[ \t]*#[^\n]*", "", code[head:at], flags=re.M)
            inside = any(began is not None for began, _ in stack)
            is_function = not inside and _is_signature(text)
            stack.append((head + _leading_space(code[head:at]) if is_function else None, head))
            head = at + 1
        elif c == "}":
            began, declaration = stack.pop() if stack else (None, at + 1)
            if began is not None:
                yield began, at
            # After an initializer in braces the declaration goes on: `: a_{a} {`, `f(A a = {}) {`.
            goes_on = re.match(r"\s*[,{)]", code[at + 1:at + 200])
            head = declaration if goes_on else at + 1
        else:
            head = at + 1


def _leading_space(text):
    return len(text) - len(text.lstrip())


def _is_signature(text):
    return ("(" in text and not _NOT_A_FUNCTION.match(text) and not _CONTROL.match(text.strip())
            and not text.rstrip().endswith(("=", ",", "(")))


def columns(tree):
    """Lines of code end at column 100; a raw string is data and may be wider."""
    findings = []
    for file in tree.files.values():
        code = (file.is_cpp() or file.suffix in (".cmake", ".py", ".sh")
                or file.parts[-1] == "CMakeLists.txt" or file.text.startswith("#!"))
        wide = [number for number, line in enumerate(file.lines if code else [], 1)
                if len(line) > COLUMNS_MAX]
        data = _raw_string_lines(file) if wide and file.is_cpp() else set()
        for number in wide:
            if number not in data:
                message = f"{len(file.lines[number - 1])} columns, more than {COLUMNS_MAX}"
                findings.append(file.finding(file.offset_of(number), message))
    return findings


def _raw_string_lines(file):
    lines = set()
    for match in re.finditer(r'R"([^()\\\s]{0,16})\((?:.|\n)*?\)\1"', file.text):
        lines.update(range(file.line_at(match.start()), file.line_at(match.end()) + 1))
    return lines


# Written in two halves, or this file would break its own rule.
_UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")


def unfinished(tree):
    """Nothing in the tree says that it is not done."""
    findings = []
    for file in tree.files.values():
        for match in _UNFINISHED.finditer(file.text):
            findings.append(file.finding(
                match.start(), f"{match.group(0)}: finish it, or open an issue and remove it"))
    return findings
