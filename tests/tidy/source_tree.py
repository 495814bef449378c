"""The tree as the rules see it: tracked text files, their code without comments and strings, and
the floor table of docs/ARCHITECTURE.md."""

import bisect
import dataclasses
import functools
import pathlib
import re
import subprocess

CPP_SUFFIXES = (".h", ".cc")


@dataclasses.dataclass(frozen=True)
class Finding:
    """A rule that was broken, at a place."""

    path: str
    line: int
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message}"


def blanked(text):
    """`text` with comments, and what stands inside string and character literals, replaced by
    spaces. Length and lines stay as they are, so an offset means the same in both."""
    pattern = re.compile(
        r'R"(?P<mark>[^()\\\s]{0,16})\((?:.|\n)*?\)(?P=mark)"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
        r"|//[^\n]*|/\*(?:.|\n)*?\*/"
    )

    def blank(match):
        whole = match.group(0)
        inside = re.sub(r"[^\n]", " ", whole)
        if whole.startswith("/"):
            return inside
        return whole[0] + inside[1:-1] + whole[-1]

    return pattern.sub(blank, text)


class SourceFile:
    """One file. `code` is its text without comments and literals."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.parts = pathlib.PurePosixPath(path).parts
        self.suffix = pathlib.PurePosixPath(path).suffix

    @functools.cached_property
    def code(self):
        return blanked(self.text)

    @functools.cached_property
    def lines(self):
        return self.text.splitlines()

    @functools.cached_property
    def _line_starts(self):
        return [0] + [match.end() for match in re.finditer("\n", self.text)]

    def line_at(self, offset):
        return bisect.bisect_right(self._line_starts, offset)

    def offset_of(self, line):
        return self._line_starts[line - 1]

    def is_cpp(self):
        return self.suffix in CPP_SUFFIXES

    def under(self, *folders):
        return any(self.path.startswith(folder + "/") for folder in folders)

    def finding(self, offset, message):
        return Finding(self.path, self.line_at(offset), message)

    def includes(self):
        """(offset, what is included, with its quotes) for each #include."""
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+(["<][^">\n]+[">])', self.text, re.M):
            yield match.start(1), match.group(1)


class SourceTree:
    """The files by path, and the floor of each room."""

    def __init__(self, files):
        self.files = {path: SourceFile(path, text) for path, text in files.items()}
        self.floors = self._read_floors()

    @classmethod
    def of_checkout(cls, root):
        """What git tracks or would track in the checkout at `root`."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, check=True, capture_output=True, text=True,
        ).stdout.split("\0")
        files = {}
        for path in filter(None, listed):
            if path.startswith("tests/data/"):
                continue
            whole = pathlib.Path(root, path)
            if not whole.is_file():
                continue
            try:
                files[path] = whole.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
        return cls(files)

    def _read_floors(self):
        """The ```floors block: a floor's number, its rooms, two spaces, what they are for."""
        document = self.files.get("docs/ARCHITECTURE.md")
        block = re.search(r"^```floors\n(.*?)^```", document.text if document else "", re.M | re.S)
        floors = {}
        for line in block.group(1).splitlines() if block else []:
            row = re.match(r"\s*(\d+)\s+(\w+(?: \w+)*)(?:\s{2,}.*)?$", line)
            if row:
                for room in row.group(2).split():
                    floors[room] = int(row.group(1))
        return floors

    def cpp(self, *folders):
        for file in self.files.values():
            if file.is_cpp() and file.under(*folders):
                yield file
