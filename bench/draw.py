#!/usr/bin/env python3
"""Draws the results of compare.py as one picture and prints them as a Markdown table.

    bench/draw.py --newest newest.json [--debian debian.json] --out docs/benchmarks.svg

The files are what compare.py --json wrote. Bars show milliseconds a step on a logarithmic axis: Fovea, PyTorch of PyPI,
and where given PyTorch of Debian; a line marks the machine's limit."""

import argparse
import html
import json
import math

BARS = (("fovea", "#2f6f4f"), ("newest", "#c77d33"), ("debian", "#b9b4a7"))


def load(path):
    with open(path) as file:
        return {row["workload"]: row for row in json.load(file)}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def collect(newest, debian):
    rows = []
    for name, row in newest.items():
        other = debian.get(name)
        ours = [row["fovea_ms"]] + ([other["fovea_ms"]] if other else [])
        rows.append({"workload": name, "fovea": min(ours), "newest": row["torch_ms"], "newest_ratio": row["ratio"],
                     "debian": other and other["torch_ms"], "debian_ratio": other and other["ratio"],
                     "limit": row["limit_ms"], "memory": row["fovea_peak_mib"], "newest_memory": row["torch_peak_mib"]})
    return rows


def number(value):
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def table(rows, versions):
    """One PyTorch or two."""
    keys = ("newest", "debian")[:len(versions)]
    cells = ["workload", "Fovea"] + [cell for version in versions for cell in (f"PyTorch {version}", "ratio")] + ["limit"]
    yield f"| {' | '.join(cells)} |"
    yield f"|{' --- |' * len(cells)}"
    for row in rows:
        cells = [row["workload"], number(row["fovea"])]
        for key in keys:
            cells += [number(row[key]), f"{row[key + '_ratio']:.2f}" if row[key] else ""]
        yield f"| {' | '.join(cells + [number(row['limit'])])} |"
    means = [geometric_mean([row[key + "_ratio"] for row in rows if row[key]]) for key in keys]
    yield f"| geometric mean | |{''.join(f' | {mean:.2f} |' for mean in means)} |"


def picture(rows, versions):
    left, bar, gap, width = 210, 9, 12, 860
    height = 70 + len(rows) * (3 * bar + gap)
    times = [row[key] for row in rows for key, _ in BARS if row[key]] + [row["limit"] for row in rows if row["limit"]]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))

    def x(milliseconds):
        return left + (math.log10(milliseconds) - low) / (high - low) * (width - left - 60)

    names = {"fovea": "Fovea"} | dict(zip(("newest", "debian"), (f"PyTorch {version}" for version in versions)))
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           f'font-size="11" fill="#222">')
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    for k, (key, color) in enumerate(BARS[:len(names)]):
        yield f'<rect x="{left + 170 * k}" y="12" width="12" height="10" fill="{color}"/>'
        yield f'<text x="{left + 170 * k + 18}" y="21">{names[key]}</text>'
    yield f'<path d="M{left + 514} 10v14" stroke="#a02020" stroke-width="2"/>'
    yield f'<text x="{left + 522}" y="21">limit</text>'
    for power in range(low, high + 1):
        yield f'<path d="M{x(10.0 ** power):.1f} 34V{height - 22}" stroke="#e4e1da"/>'
        yield f'<text x="{x(10.0 ** power):.1f}" y="{height - 8}" text-anchor="middle">{10.0 ** power:g} ms</text>'
    y = 42
    for row in rows:
        yield f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{html.escape(row["workload"])}</text>'
        for k, (key, color) in enumerate(BARS):
            if not row[key]:
                continue
            end, top = x(row[key]), y + k * bar
            yield f'<rect x="{left}" y="{top}" width="{max(end - left, 1):.1f}" height="{bar - 1}" fill="{color}"/>'
            yield f'<text x="{end + 4:.1f}" y="{top + bar - 1}" font-size="9">{number(row[key])}</text>'
        if row["limit"]:
            yield f'<path d="M{x(row["limit"]):.1f} {y - 2}v{3 * bar + 3}" stroke="#a02020" stroke-width="2"/>'
        y += 3 * bar + gap
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--newest", required=True)
    parser.add_argument("--debian")
    parser.add_argument("--out", help="the picture to write")
    arguments = parser.parse_args()
    newest, debian = load(arguments.newest), load(arguments.debian) if arguments.debian else {}
    versions = [next(iter(part.values()))["torch"].split("+")[0] for part in (newest, debian) if part]
    rows = collect(newest, debian)
    print("\n".join(table(rows, versions)))
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write("\n".join(picture(rows, versions)) + "\n")


if __name__ == "__main__":
    main()
