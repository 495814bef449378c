"""docs/metrics.md, from the declarations in pkg/telemetry/metric_names.h."""

import dataclasses
import re

HEAD = """<!-- Written by scripts/generate from pkg/telemetry/metric_names.h. -->
# Metrics

Served as Prometheus text 0.0.4 (gzip on request) at `/metrics`, on the API's listener and on
`--metrics-bind-address`. Names that Kubernetes and the Prometheus clients use are kept; all others
begin with `podkeeper_`. The values of every label form a closed set. A family appears once it has
something to count.

"""
DECLARATION = re.compile(r"inline const MetricDesc k\w+\{(.*?)\};", re.S)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclasses.dataclass(frozen=True)
class Family:
    type: str
    name: str
    help: str
    labels: tuple
    section: str  # the comment above it
    buckets: str  # name of its bounds, empty for none


def split_top(text):
    """Splits at commas that are in neither strings nor braces."""
    parts, depth, start, quoted = [], 0, 0, False
    for i, c in enumerate(text):
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and c in "{}":
            depth += 1 if c == "{" else -1
        elif not quoted and c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in parts + [text[start:]]]


def families(header):
    """Every declared family, in order."""
    found, section = [], ""
    for block in re.split(r"\n(?=//|inline const MetricDesc k)", header):
        comment = re.match(r"((?://.*\n)+)", block + "\n")
        if comment:
            section = " ".join(line.lstrip("/ ") for line in comment[1].splitlines())
        declaration = DECLARATION.search(block)
        if not declaration:
            continue
        parts = split_top(declaration[1])
        found.append(
            Family(
                type=re.search(r"MetricType::k(\w+)", parts[0])[1].lower(),
                name=STRING.search(parts[1])[1],
                help="".join(STRING.findall(parts[2])),
                labels=tuple(STRING.findall(parts[3])) if len(parts) > 3 else (),
                section=section,
                buckets=parts[4].removeprefix("buckets::") if len(parts) > 4 else "",
            )
        )
    return found


def bounds(header):
    """The histograms' upper bounds by name."""
    return {
        name: ", ".join(values.split())
        .replace(",,", ",")
        for name, values in re.findall(r"std::vector<double> (k\w+) = \{(.*?)\};", header, re.S)
    }


def reference(header):
    declared = len(re.findall(r"inline const MetricDesc k", header))
    all_families = families(header)
    if len(all_families) != declared:
        raise SystemExit(f"metric_names.h: {declared} declared, {len(all_families)} understood")
    text, section = HEAD, None
    for family in all_families:
        if family.section != section:
            section = family.section
            text += f"## {section.split('.')[0]}\n\n"
            rest = section.partition(".")[2].strip()
            text += (rest + "\n\n") if rest else ""
            text += "| name | type | labels | what it says |\n|---|---|---|---|\n"
        labels = ", ".join(f"`{label}`" for label in family.labels)
        text += f"| `{family.name}` | {family.type} | {labels} | {family.help} |\n"
        following = all_families.index(family) + 1
        if following == len(all_families) or all_families[following].section != section:
            text += "\n"
    text += "## Bounds of the histograms\n\n| histogram | upper bounds |\n|---|---|\n"
    limits = bounds(header)
    for family in all_families:
        if family.type == "histogram":
            text += f"| `{family.name}` | {limits[family.buckets]} |\n"
    return text
