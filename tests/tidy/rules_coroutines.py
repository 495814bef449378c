"""Name it, then await it: g++ 12 destroys a temporary twice when a co_await full expression holds a
capturing lambda or a braced aggregate (observed with 12.2, under AddressSanitizer)."""

import re

_CLOSER = {"(": ")", "[": "]", "{": "}"}
_STATEMENT_WITH_PARENTHESES = re.compile(r"\b(?:if|while|for|switch|constexpr)\s*$")


def name_then_await(tree):
    """No capturing lambda and no braced aggregate in the full expression of a co_await."""
    findings = []
    for file in tree.cpp("pkg", "daemon", "tests"):
        code = file.code
        for match in re.finditer(r"\bco_await\b", code):
            begin, end = _full_expression(code, match.start())
            fault = _temporary(code[begin:end])
            if fault:
                findings.append(file.finding(
                    match.start(), f"co_await with {fault} in its expression: name it, then await"))
    return findings


def _full_expression(code, at):
    """Where the full expression around the co_await at `at` begins and ends."""
    begin, inside_control = _begin(code, at)
    return begin, _end(code, at, inside_control)


def _begin(code, at):
    """Goes back to the start of the statement, or of the controlling parentheses."""
    depth = 0
    for i in range(at - 1, -1, -1):
        c = code[i]
        if c in ")]}":
            if c == "}" and depth == 0 and not re.match(r"\s*[,)\].]", code[i + 1:i + 80]):
                return i + 1, False
            depth += 1
        elif c in "([{":
            if depth > 0:
                depth -= 1
            elif c == "{":
                return i + 1, False
            elif c == "(" and _STATEMENT_WITH_PARENTHESES.search(code[max(0, i - 12):i]):
                return i + 1, True
        elif c == ";" and depth == 0:
            return i + 1, False
    return 0, False


def _end(code, at, inside_control):
    """Goes on to the end of the statement, or of the controlling parentheses."""
    depth = 0
    for i in range(at, len(code)):
        c = code[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth < 0 and (c == "}" or inside_control):
                return i
        elif c == ";" and depth <= 0:
            return i
    return len(code)


def _closing(text, opening):
    """The offset of the bracket that closes the one at `opening`."""
    depth = 0
    for i in range(opening, len(text)):
        if text[i] in _CLOSER:
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def _temporary(expression):
    """"a capturing lambda" or "a braced aggregate" if `expression` holds one."""
    i = 0
    while i < len(expression):
        c = expression[i]
        lambda_here = c == "[" and not re.search(r"[\w)\]]\s*$", expression[:i])
        if lambda_here:
            close = _closing(expression, i)
            if expression[i + 1:close].strip():
                return "a capturing lambda"
            body = re.compile(r"\s*(?:\((?:[^()]|\([^()]*\))*\))?[^{;]*\{").match(
                expression, close + 1)
            # Its body is a function of its own, with its own full expressions.
            i = _closing(expression, body.end() - 1) if body else close
        elif c == "{":
            return "a braced aggregate"
        i += 1
    return None
