#!/usr/bin/env python3
"""Tokenizers that the `tokenizers` package trains, and what it makes of texts.

    cases.py write FOLDER [--small] [DATA]   NAME.json, a tokenizer.json; NAME_cases.json with the texts that it was
                                             trained on and others, and the ids of all: what tokenizers_test reads.
                                             --small: of a few sentences; else of the project's own files and, where
                                             DATA is a folder, of the CSV files in it
    cases.py read FOLDER                     loads tokenizer.json files that tokenizers_test wrote into the package and
                                             compares the ids

data/ was made by `cases.py write data --small`.
"""
import csv
import glob
import gzip
import json
import os
import sys

try:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

csv.field_size_limit(1 << 30)

SENTENCES = [
    "The fovea is the spot of the eye that attends.",
    "The foveal spot attends; the eyes' other spots don't.",
    "We'll see what we've seen: I'm sure they're there, he'd say it's so.",
    "Twice 12 is 24, and 3.5 times 2 is 7 -- isn't it?",
    "Attention, attention, attention! Aaaaaaah...",
    "  two spaces before,   three within, and some after   ",
    "lines\nand\n\nmore lines\n\tand a tab",
    "Die Grube im Auge heißt Sehgrube; ÄRGER über İstanbul.",
    "Ямка глаза внимательна к деталям",
    "中央凹是眼睛里最敏锐的地方，也是注意力的所在。",
    "中央凹在眼睛的中央。眼睛看到的地方。",
    "emoji 👩‍🚀🚀 and e\u0301 combining, snake_case_1 and _x",
]
OTHERS = SENTENCES + [
    "", " ", "a", "'", "''s 'S 'll'll", "unseen: ζ ж 雨 Ωmega", "<unk> is a token, <pad><pad> too", "9'9s\u00a0nbsp\u3000wide ",
    "abcd abcde abc xabcabcdx", "the fovea, the foveal fovea the", "a\u0120x\u0120b <中\u0120> <中>",
    "x" * 40, "the the  the\r\nthe \u2028 end\u0085", "ﬁﬀ ǅ ΣΑΣ ẞ",
]


def make(kind):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if kind != "byte_level" else None))
    if kind == "whitespace":
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=kind == "byte_level_prefix")
        tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def with_added(tokenizer):
    """The tokenizer with added tokens that overlap, and a merge that stands there twice."""
    whole = json.loads(tokenizer.to_str())
    merges = whole["model"]["merges"]
    merges.append(merges[0])
    first = max(max(whole["model"]["vocab"].values()), max(each["id"] for each in whole["added_tokens"])) + 1
    for i, (content, special, normalized) in enumerate([
            ("abc", False, True), ("bcd", True, False), ("bcde", False, False), ("the f", False, True),
            ("fovea", True, True), ("\u0120x\u0120", False, False), ("<中\u0120>", False, False),
            (" the ", False, True)]):
        whole["added_tokens"].append({"id": first + i, "content": content, "special": special, "normalized": normalized,
                                      "single_word": False, "lstrip": False, "rstrip": False})
    return Tokenizer.from_str(json.dumps(whole))


def project_texts(data):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    texts = []
    for path in sorted(glob.glob(f"{root}/*.md") + glob.glob(f"{root}/docs/*.md") + glob.glob(f"{root}/nn/*.h")):
        with open(path, encoding="utf-8") as file:
            texts += file.read().split("\n\n")
    if data and os.path.isdir(data):
        for path in sorted(glob.glob(f"{data}/**/test.csv.gz", recursive=True)):
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                texts += [" ".join(row) for row in list(csv.reader(file))[:1500]]
    return texts


def write(folder, small, data):
    os.makedirs(folder, exist_ok=True)
    if small:
        learned, others = SENTENCES, OTHERS
    else:
        texts = project_texts(data)
        learned, others = texts[::2], texts[1::2] + OTHERS
    for kind in ["byte_level", "byte_level_prefix", "whitespace", "added"]:
        tokenizer = make(kind if kind != "added" else "byte_level_prefix")
        size = 300 if small else 4000
        tokenizer.train_from_iterator(learned, trainers.BpeTrainer(vocab_size=size, show_progress=False,
                                                                   special_tokens=["<pad>", "<unk>"]))
        if kind == "added":
            tokenizer = with_added(tokenizer)
        tokenizer.save(f"{folder}/{kind}.json")
        cases = {"vocabulary": size, "learned": learned, "texts": others,
                 "ids": [tokenizer.encode(text).ids for text in others],
                 "decoded": [tokenizer.decode(tokenizer.encode(text).ids) for text in others]}
        with open(f"{folder}/{kind}_cases.json", "w", encoding="utf-8") as file:
            json.dump(cases, file, ensure_ascii=False, indent=0)
    print(f"{len(learned)} texts to learn from, {len(others)} to read")


def read(folder):
    count = 0
    for path in sorted(glob.glob(f"{folder}/*_cases.json")):
        tokenizer = Tokenizer.from_file(path.replace("_cases.json", ".json"))
        with open(path, encoding="utf-8") as file:
            cases = json.load(file)
        for text, ids in zip(cases["texts"], cases["ids"]):
            count += 1
            if tokenizer.encode(text).ids != ids:
                sys.exit(f"{path}: other ids for {text!r}: {tokenizer.encode(text).ids}, not {ids}")
    print(f"{count} texts have the same ids")
    if count == 0:
        sys.exit("nothing to read")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        rest = sys.argv[3:]
        write(sys.argv[2], "--small" in rest, next((x for x in rest if x != "--small"), None))
    else:
        read(sys.argv[2])
