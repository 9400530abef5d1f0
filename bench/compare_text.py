#!/usr/bin/env python3
"""text_classifier beside its peers on one data set, one after the other and several times: the medians are compared.

    bench/compare_text.py fasttext --train FILE --test FILE [--rounds N]
    bench/compare_text.py pytorch --train FILE --test FILE [--python PYTHON] [--epochs N] [--packed]

fasttext: `--encoder bag --bigrams` beside `fasttext supervised -wordNgrams 2` (dim 50, 25 epochs, 2 threads, lower case), seconds
and processor seconds of the whole programs, which both write their model. pytorch: the default model beside the plain loop of
pytorch_text.py, seconds of a training epoch."""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from text_files import read_rows

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command):
    """Its standard output, the seconds and the processor seconds that it took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result.stdout, wall, processor


def train(arguments, folder, *options):
    model = os.path.join(folder, "model")
    _, wall, processor = run([arguments.program, "train", "--train", arguments.train, "--out", model, "--quiet",
                              "--threads", "2", *options])
    return model, wall, processor


def accuracy(arguments, model):
    out, _, _ = run([arguments.program, "evaluate", "--model", model, "--data", arguments.test, "--quiet", "--json"])
    return json.loads(out)["accuracy"]


def words(text):
    """In the form that fastText asks for: lower case, words between spaces; of Chinese, each character a word."""
    return " ".join(re.sub(r"([\u3400-\u9fff])", r" \1 ", text.lower()).split())


def fasttext(arguments, folder):
    files = {}
    for name in ("train", "test"):
        files[name] = os.path.join(folder, name + ".txt")
        with open(files[name], "w", encoding="utf-8") as file:
            for label, text in read_rows(getattr(arguments, name)):
                file.write(f"__label__{label.replace(' ', '_')} {words(text)}\n")
    other = os.path.join(folder, "fasttext")
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        model, *times = train(arguments, folder, "--encoder", "bag", "--bigrams")
        ours.append(times)
        _, *times = run(["fasttext", "supervised", "-input", files["train"], "-output", other, "-wordNgrams", "2", "-dim",
                         "50", "-epoch", "25", "-lr", "0.5", "-thread", "2", "-verbose", "0"])
        theirs.append(times)
    out, _, _ = run(["fasttext", "test", other + ".bin", files["test"]])
    peers = float(next(line.split()[1] for line in out.splitlines() if line.startswith("P@1")))
    print(f"accuracy {accuracy(arguments, model):.4f}, fastText {peers:.4f}")
    for i, name in enumerate(("seconds", "processor seconds")):
        a, b = (statistics.median(times[i] for times in side) for side in (ours, theirs))
        print(f"{name} {a:.2f}, fastText {b:.2f}, ratio {a / b:.2f}   {[round(t[i], 2) for t in ours]} {[round(t[i], 2) for t in theirs]}")


def pytorch(arguments, folder):
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        model, *_ = train(arguments, folder, "--epochs", str(arguments.epochs))
        with open(os.path.join(model, "metrics.jsonl"), encoding="utf-8") as file:
            ours += [json.loads(line)["seconds"] for line in file]
        command = [arguments.python, os.path.join(HERE, "pytorch_text.py"), "--train", arguments.train, "--test",
                   arguments.test, "--vocabulary", os.path.join(model, "vocabulary.txt"), "--epochs",
                   str(arguments.epochs)]
        out, _, _ = run(command + (["--packed"] if arguments.packed else []))
        result = json.loads(out)
        theirs += result["seconds"]
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"seconds an epoch {a:.2f}, PyTorch {result['torch']} {b:.2f}, ratio {b / a:.2f}   "
          f"{[round(t, 2) for t in ours]} {[round(t, 2) for t in theirs]}")
    print(f"accuracy {accuracy(arguments, model):.4f}, PyTorch {result['accuracy']:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["fasttext", "pytorch"])
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--program", default=os.path.join(HERE, "..", "build", "release", "examples", "text_classifier",
                                                          "text_classifier"))
    parser.add_argument("--python", default=sys.executable, help="a Python that can import torch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of each round with pytorch; with 10 the accuracies compare, too")
    parser.add_argument("--packed", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"fasttext": fasttext, "pytorch": pytorch}[arguments.peer](arguments, folder)


if __name__ == "__main__":
    main()
