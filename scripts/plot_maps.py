#!/usr/bin/env python3
"""Draws the plots of docs/maps.md from docs/benchmarks.jsonl, as SVG under docs/plots/.

    plot_maps.py [--figures FILE] [--out DIRECTORY]

Of a figure that was measured several times the last line counts. A plot whose figures are not
there is not drawn, and that is said.
"""

import argparse
import html
import json
import math
import pathlib

OURS = {
    "Mutex": "#8c6d31", "RWMutex": "#c49c45", "Sharded": "#1f77b4",
    "SyncMap": "#2ca02c", "CopyOnWrite": "#9467bd", "LockFree": "#d62728",
}
REFERENCE = "std::unordered_map+shared_mutex x256"
PEERS = {
    REFERENCE: "", "tbb::concurrent_hash_map": "6 3",
    "absl::flat_hash_map+absl::Mutex x256": "2 2",
    "boost::unordered_flat_map+mutex x256": "8 2 2 2", "liburcu lfht (memb)": "1 3",
    "libcuckoo": "10 4",
}
THREADS = (1, 2, 4, 8)
INK, FAINT, GREY = "#222", "#ddd", "#888"


class Svg:
    """Collects elements of one drawing; text is escaped, coordinates are pixels."""

    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="11" '
            f'fill="{INK}" role="img"><title>{html.escape(title)}</title>',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
        ]
        self.text(width / 2, 20, title, anchor="middle", size=14)

    def text(self, x, y, words, anchor="start", size=11, rotate=None, color=INK):
        turn = f' transform="rotate({rotate} {x:.1f} {y:.1f})"' if rotate else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
                          f'font-size="{size}" fill="{color}"{turn}>{html.escape(words)}</text>')

    def line(self, points, color=INK, width=1.0, dash=""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" '
                          f'stroke-width="{width}"{dashes}/>')

    def dot(self, x, y, color, radius=2.5):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{color}"/>')

    def bar(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" fill="{color}"/>')

    def write(self, path):
        path.write_text("\n".join(self.parts) + "\n</svg>\n", encoding="utf-8")


def read_figures(path):
    """The last record of each figure, by its name."""
    figures = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        figures[record["figure"]] = record
    return figures


def style(name):
    """Color, width and dashes of a contender."""
    if name in OURS:
        return OURS[name], 2.0, ""
    return GREY, 1.0, PEERS.get(name, "")


def legend(svg, names, x, y, columns, step):
    for i, name in enumerate(names):
        left, line = x + i % columns * step, y + i // columns * 18
        color, width, dash = style(name)
        svg.line([(left, line - 4), (left + 26, line - 4)], color, width, dash)
        svg.text(left + 32, line, name)


def ticks_up_to(top):
    step = 0.5 if top <= 4 else 1 if top <= 8 else 2
    return [step * i for i in range(int(top / step) + 1)]


def plot_ratios(figures, keys, out):
    """Small multiples: a row for each distribution, a column for each share of reads."""
    def ratio(mix, reads, threads, name):
        found = figures.get(f"maps.{mix}{reads}_{keys}_{threads}t.{name}")
        return None if found is None else 1.0 if name == REFERENCE else found.get("ratio")

    names = list(OURS) + list(PEERS)
    shares = [r for r in (100, 99, 95, 50)
              if any(ratio("z", r, t, "Sharded") is not None for t in THREADS)]
    all_ratios = [ratio(m, r, t, n) or 0
                  for m in "zu" for r in shares for t in THREADS for n in names]
    if not shares:
        return False
    top = math.ceil(max(all_ratios) * 2) / 2
    wide, high, left, above = 190, 170, 70, 60
    svg = Svg(left + len(shares) * (wide + 20) + 10, above + 2 * (high + 45) + 100,
              f"Work per CPU second against sharded std::unordered_map, {keys} keys")
    for row, mix in enumerate("zu"):
        for column, reads in enumerate(shares):
            x0, y0 = left + column * (wide + 20), above + row * (high + 45)

            def at(threads, value, x0=x0, y0=y0):
                return (x0 + 15 + THREADS.index(threads) * (wide - 30) / 3,
                        y0 + high - value / top * high)

            for tick in ticks_up_to(top):
                y = at(1, tick)[1]
                svg.line([(x0, y), (x0 + wide, y)], GREY if tick == 1 else FAINT)
                if column == 0:
                    svg.text(x0 - 6, y + 4, f"{tick:g}x", anchor="end")
            svg.text(x0 + wide / 2, y0 - 6, f"{'zipf' if mix == 'z' else 'uniform'}, "
                     f"{reads} % reads", anchor="middle")
            for threads in THREADS:
                svg.text(at(threads, 0)[0], y0 + high + 14, str(threads), anchor="middle")
            for name in reversed(names):
                color, width, dash = style(name)
                points = [at(t, ratio(mix, reads, t, name)) for t in THREADS
                          if ratio(mix, reads, t, name) is not None]
                svg.line(points, color, width, dash)
                for x, y in points:
                    if name in OURS:
                        svg.dot(x, y, color)
        svg.text(18, above + row * (high + 45) + high / 2, "ratio (more is better)",
                 anchor="middle", rotate=-90)
    below = above + 2 * (high + 45)
    svg.text(left + len(shares) * (wide + 20) / 2, below - 10, "threads", anchor="middle")
    legend(svg, names, left, below + 18, 3, 270)
    svg.write(out)
    return True


def plot_latency(figures, out):
    """A row for each map, a panel for each company; p50, p99 and p99.9 on a logarithmic axis."""
    companies = {"alone": "alone", "writer": "beside a writer",
                 "writer_and_walk": "beside a writer and a walk"}
    names = [REFERENCE, "boost::unordered_flat_map+mutex x256"] + list(OURS)

    def ns(company, quantile, name):
        found = figures.get(f"walks.find_{company}_{quantile}.{name}")
        return None if found is None else max(found["value"], 10)

    names = [n for n in names if ns("alone", "p50", n) is not None]
    values = [ns(c, q, n) for c in companies for q in ("p50", "p99", "p999") for n in names]
    values = [v for v in values if v is not None]
    if not values:
        return False
    low, high = 1, math.ceil(math.log10(max(values)))
    wide, step, left, above = 230, 22, 250, 62
    bottom = above + len(names) * step
    svg = Svg(left + len(companies) * (wide + 20) + 10, bottom + 66,
              "How long a find takes: p50, p99 and p99.9 of 100k keys")
    for column, (company, title) in enumerate(companies.items()):
        x0 = left + column * (wide + 20)

        def x_of(value, x0=x0):
            return x0 + (math.log10(value) - low) / (high - low) * wide

        svg.text(x0 + wide / 2, above - 14, title, anchor="middle")
        for power in range(low, high + 1):
            x = x_of(10 ** power)
            svg.line([(x, above - 6), (x, bottom)], FAINT)
            label = f"{10 ** (power - 3):g} us" if power >= 3 else f"{10 ** power} ns"
            svg.text(x, bottom + 14, label, anchor="middle", size=9)
        for row, name in enumerate(names):
            y = above + row * step + step / 2
            if column == 0:
                svg.text(left - 10, y + 4, name, anchor="end")
            points = [ns(company, q, name) for q in ("p50", "p99", "p999")]
            if None in points:
                continue
            color = style(name)[0]
            svg.line([(x_of(points[0]), y), (x_of(points[2]), y)], color, 1.5)
            for value, radius in zip(points, (4.5, 3.2, 2.2)):
                svg.dot(x_of(value), y, color, radius)
    svg.text(left + len(companies) * (wide + 20) / 2, bottom + 32,
             "wall time of one find, less is better", anchor="middle")
    svg.text(left, bottom + 54, "large dot: p50   middle: p99   small: p99.9")
    svg.write(out)
    return True


def plot_memory(figures, out):
    """Bars: bytes of table per entry, at each measured size."""
    sizes = [s for s in ("100k", "1000k") if f"maps.bytes_per_entry_{s}.Sharded" in figures]
    if not sizes:
        return False
    wide, step, left, above = 420, 40, 110, 50
    bottom = above + len(OURS) * step
    svg = Svg(left + wide + 60, bottom + 60, "Bytes of table per entry, beyond the record")
    for tick in range(0, 29, 4):
        x = left + tick / 28 * wide
        svg.line([(x, above - 4), (x, bottom)], GREY if tick == 24 else FAINT)
        svg.text(x, bottom + 14, str(tick), anchor="middle")
    for row, (name, color) in enumerate(OURS.items()):
        svg.text(left - 8, above + row * step + step / 2, name, anchor="end")
        for i, size in enumerate(sizes):
            found = figures.get(f"maps.bytes_per_entry_{size}.{name}")
            if found is None:
                continue
            y = above + row * step + i * 16
            svg.bar(left, y, found["value"] / 28 * wide, 13, color)
            svg.text(left + found["value"] / 28 * wide + 4, y + 11,
                     f"{found['value']:.1f} at {size}")
    svg.text(left + wide / 2, bottom + 32, "bytes; the target is 24 at most", anchor="middle")
    svg.write(out)
    return True


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", type=pathlib.Path, default=root / "docs/benchmarks.jsonl")
    parser.add_argument("--out", type=pathlib.Path, default=root / "docs/plots")
    options = parser.parse_args()

    figures = read_figures(options.figures)
    options.out.mkdir(parents=True, exist_ok=True)
    plots = {
        "maps-ratio-100k.svg": lambda path: plot_ratios(figures, "100k", path),
        "maps-ratio-1000k.svg": lambda path: plot_ratios(figures, "1000k", path),
        "maps-latency.svg": lambda path: plot_latency(figures, path),
        "maps-memory.svg": lambda path: plot_memory(figures, path),
    }
    for name, draw in plots.items():
        path = options.out / name
        print(path if draw(path) else f"{path}: not drawn, its figures are not recorded")


if __name__ == "__main__":
    main()
