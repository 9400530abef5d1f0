#!/usr/bin/env python3
"""text_classifier's default model (GRU of both directions, additive attention) as a plain loop of PyTorch: the same sizes,
vocabulary, batches by length, optimizer and schedule. Prints a JSON line with the seconds of each training epoch.

    bench/pytorch_text.py --train FILE --test FILE --vocabulary MODEL/vocabulary.txt [--epochs N]

The vocabulary is that of a model that text_classifier trained on the file: words of other scripts than Latin are the longest
that stand in it, so that a text has about as many tokens as there."""

import argparse
import json
import random
import re
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from text_files import read_rows


class Classifier(nn.Module):
    def __init__(self, vocabulary, classes, embedding=128, hidden=128, dropout=0.3, packed=False):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight.mul_(0.1)
        self.gru = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.key = nn.Linear(2 * hidden, 2 * hidden)
        self.query = nn.Parameter((torch.rand(2 * hidden) * 2 - 1) / (2 * hidden) ** 0.5)
        self.output = nn.Linear(2 * hidden, classes)
        self.dropout = nn.Dropout(dropout)
        self.packed = packed

    def forward(self, tokens, lengths, mask):
        if self.training:
            tokens = tokens.masked_fill((torch.rand(tokens.shape) < 0.1) & mask, 1)
        x = self.dropout(self.embedding(tokens))
        if self.packed:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        else:
            states, _ = self.gru(x)
        scores = torch.tanh(self.key(states)) @ self.query
        weights = torch.softmax(scores.masked_fill(~mask, float("-inf")), 1)
        read = (weights.unsqueeze(1) @ states).squeeze(1)
        return self.output(self.dropout(read))


def tokenizer(vocabulary):
    ids = {word: i for i, word in enumerate(vocabulary)}
    longest = max(len(word) for word in vocabulary)

    def longest_match(text):
        at = 0
        while at < len(text):
            end = next(e for e in range(min(len(text), at + longest), at, -1) if text[at:e] in ids or e == at + 1)
            yield text[at:end]
            at = end

    def tokens(text, most=256):
        found = []
        for word in re.findall(r"[\x00-\x7f]+|[^\x00-\x7f\s]+", text.lower()):
            found += re.findall(r"\w+(?:['.]\w+)*|[^\w\s]", word) if word.isascii() else longest_match(word)
        return [ids.get(word, 1) for word in found[:most]] or [1]

    return tokens


def batches(examples, size, shuffle):
    order = list(range(len(examples)))
    if shuffle:
        random.shuffle(order)
        bucket = 50 * size
        order = [i for begin in range(0, len(order), bucket)
                 for i in sorted(order[begin:begin + bucket], key=lambda i: len(examples[i][0]))]
    else:
        order.sort(key=lambda i: len(examples[i][0]))
    chosen = [order[begin:begin + size] for begin in range(0, len(order), size)]
    if shuffle:
        random.shuffle(chosen)
    for each in chosen:
        lengths = torch.tensor([len(examples[i][0]) for i in each])
        time_steps = int(lengths.max())
        tokens = torch.tensor([examples[i][0] + [0] * (time_steps - len(examples[i][0])) for i in each])
        labels = torch.tensor([examples[i][1] for i in each])
        yield tokens, lengths, torch.arange(time_steps) < lengths.unsqueeze(1), labels


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--packed", action="store_true", help="pack sequences for the GRU in place of padding them")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    random.seed(1)

    with open(arguments.vocabulary, encoding="utf-8") as file:
        vocabulary = [line.rstrip("\n") for line in file]
    tokens = tokenizer(vocabulary)
    train, test = read_rows(arguments.train), read_rows(arguments.test)
    classes = sorted({label for label, _ in train})
    train, test = ([(tokens(text), classes.index(label)) for label, text in part] for part in (train, test))
    random.shuffle(train)
    train = train[len(train) // 10:]  # a tenth is held out, as there

    model = Classifier(len(vocabulary), len(classes), packed=arguments.packed)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    steps = arguments.epochs * ((len(train) + 31) // 32)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / steps))
    loss_of = nn.CrossEntropyLoss()
    seconds = []
    for _ in range(arguments.epochs):
        model.train()
        start = time.perf_counter()
        for batch, lengths, mask, labels in batches(train, 32, True):
            optimizer.zero_grad()
            loss = loss_of(model(batch, lengths, mask), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        seconds.append(time.perf_counter() - start)
    model.eval()
    right = 0
    with torch.no_grad():
        for batch, lengths, mask, labels in batches(test, 64, False):
            right += int((model(batch, lengths, mask).argmax(1) == labels).sum())
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "accuracy": right / len(test)}))


if __name__ == "__main__":
    main()
