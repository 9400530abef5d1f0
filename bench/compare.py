#!/usr/bin/env python3
"""Runs `bench` and the same workloads in PyTorch, one after the other for each workload, and prints the ratios
and the limit of this machine (see limits.py; operators on data that a cache holds can be faster than its memory).

    bench/compare.py --bench build/release/bench/bench [--python PYTHON] [--more | WORKLOAD ...]

PYTHON is one that can import torch (default: the one that runs this script)."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys

from limits import limit_ms

HERE = os.path.dirname(os.path.abspath(__file__))
THEIRS = os.path.join(HERE, "pytorch_workloads.py")


def output_of(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return result.stdout


def run(command):
    lines = [json.loads(line) for line in output_of(command).splitlines() if line.startswith("{")]
    if not lines:
        sys.exit(f"{' '.join(command)} printed no figures")
    return lines[0]


def workloads_of_both(bench, python, more):
    which = ["--list", "--more"] if more else ["--list"]
    theirs = output_of([python, THEIRS, *which]).split()
    return [name for name in output_of([bench, *which]).split() if name in theirs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--more", action="store_true",
                        help="the models of more_models.cpp in place of the usual workloads")
    parser.add_argument("--bench", default=os.path.join(HERE, "..", "build", "release", "bench", "bench"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; medians are compared")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="of matrix products")
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()

    common = ["--steps", str(arguments.steps), "--threads", str(arguments.threads), "--precision", arguments.precision]
    rates = run([arguments.bench, "--rates", "--threads", str(arguments.threads)])
    print(f"products {rates['gflops']:.0f} GFLOP/s, copies {rates['copy_gb_per_s']:.1f} GB/s")
    rows = []
    print(f"{'workload':28}{'fovea ms':>10}{'torch ms':>10}{'ratio':>8}{'limit ms':>10}{'fovea MiB':>11}{'torch MiB':>11}")
    for name in arguments.workloads or workloads_of_both(arguments.bench, arguments.python, arguments.more):
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(run([arguments.bench, name, *common]))
            theirs.append(run([arguments.python, THEIRS, name, *common]))
        a = statistics.median(line["ms"] for line in ours)
        b = statistics.median(line["ms"] for line in theirs)
        limit = limit_ms(name, rates)
        rows.append({"workload": name, "limit_ms": limit, "fovea_ms": a, "torch_ms": b, "ratio": b / a,
                     "fovea_peak_mib": ours[0]["peak_mib"], "torch_peak_mib": theirs[0]["peak_mib"],
                     "torch": theirs[0]["torch"]})
        print(f"{name:28}{a:10.3f}{b:10.3f}{b / a:8.2f}{f'{limit:10.3f}' if limit else '':10}"
              f"{ours[0]['peak_mib']:11}{theirs[0]['peak_mib']:11}", flush=True)
    mean = math.exp(sum(math.log(row["ratio"]) for row in rows) / len(rows))
    print(f"{'geometric mean':28}{'':20}{mean:8.2f}   (PyTorch {rows[0]['torch']}, {arguments.threads} threads)")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
