#!/usr/bin/env python3
"""The workloads of `bench` in PyTorch, printed as the same JSON lines; run it with any Python that has torch."""

import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

from pytorch_models import MORE


class AttentionClassifier(nn.Module):
    def __init__(self, kind, vocabulary, embedding, hidden, attention, classes, bidirectional=True):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.rnn = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind](
            embedding, hidden, batch_first=True, bidirectional=bidirectional)
        width = hidden * (2 if bidirectional else 1)
        self.key = nn.Linear(width, attention)
        self.query = nn.Parameter(torch.randn(attention) / math.sqrt(attention))
        self.classifier = nn.Linear(width, classes)

    def forward(self, tokens):
        h, _ = self.rnn(self.embedding(tokens))
        weights = torch.softmax(torch.tanh(self.key(h)) @ self.query, 1)
        return self.classifier((weights.unsqueeze(1) @ h).squeeze(1))


class TransformerClassifier(nn.Module):
    def __init__(self, vocabulary, time_steps, dim, layers, heads, feedforward, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.positions = nn.Parameter(torch.randn(time_steps, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(dim, heads, feedforward, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False) \
            if "enable_nested_tensor" in nn.TransformerEncoder.__init__.__code__.co_varnames \
            else nn.TransformerEncoder(layer, layers)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, tokens):
        return self.classifier(self.encoder(self.embedding(tokens) + self.positions).mean(1))


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(100000, 64, mode="mean", sparse=True)
        self.classifier = nn.Linear(64, 4)

    def forward(self, tokens):
        return self.classifier(self.bag(tokens))


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1),
                         nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.Linear(128, 10))


def train_step(model, x, classes, optimizer=None):
    y = torch.randint(classes, (x.shape[0],))
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return step


def infer_step(model, x):
    model.eval()

    def step():
        with torch.no_grad():
            model(x)
    return step


def train_bag():
    model = Bag()
    return train_step(model, torch.randint(100000, (256, 64)), 4, torch.optim.SGD(model.parameters(), lr=0.1))


def gru_like(kind):
    return AttentionClassifier(kind, 20000, 128, 128, 256, 4)


def transformer_small():
    return TransformerClassifier(20000, 64, 128, 2, 4, 512, 4)


def op_chain():
    z0, y = torch.randn(16), torch.randn(16)

    def step():
        x = z0.clone().requires_grad_()
        z = x
        for _ in range(500):
            z = z * y + y
        z.sum().backward()
    return step


def op_attention():
    q, k, v = (torch.randn(4, 8, 512, 64, requires_grad=True) for _ in range(3))

    def attention():
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v)
        return torch.softmax(q @ k.transpose(-1, -2) / 8.0, -1) @ v

    def step():
        q.grad = k.grad = v.grad = None
        attention().sum().backward()
    return step


def op(function, *shapes):
    inputs = [torch.randn(*shape) for shape in shapes]
    return lambda: function(*inputs)


def normed():
    norm = nn.LayerNorm(1024)
    x = torch.randn(4096, 1024)

    def step():
        with torch.no_grad():
            norm(x)
    return step


WORKLOADS = {
    "train_rnn_tiny": lambda: train_step(AttentionClassifier("rnn", 10, 3, 8, 8, 10, False),
                                         torch.randint(10, (32, 10)), 10),
    "train_gru": lambda: train_step(gru_like("gru"), torch.randint(20000, (32, 64)), 4),
    "train_lstm": lambda: train_step(gru_like("lstm"), torch.randint(20000, (32, 64)), 4),
    "train_transformer_small": lambda: train_step(transformer_small(), torch.randint(20000, (32, 64)), 4),
    "train_transformer_base": lambda: train_step(TransformerClassifier(20000, 256, 256, 4, 8, 1024, 4),
                                                 torch.randint(20000, (16, 256)), 4),
    "train_bag": train_bag,
    "train_mlp": lambda: train_step(mlp(), torch.randn(128, 784), 10),
    "train_cnn": lambda: train_step(cnn(), torch.randn(64, 1, 28, 28), 10),
    "infer_gru_batch1": lambda: infer_step(gru_like("gru"), torch.randint(20000, (1, 64))),
    "infer_transformer_batch1": lambda: infer_step(transformer_small(), torch.randint(20000, (1, 64))),
    "op_chain_500": op_chain,
    "op_matmul_512": lambda: op(torch.matmul, (512, 512), (512, 512)),
    "op_matmul_2048": lambda: op(torch.matmul, (2048, 2048), (2048, 2048)),
    "op_add_1m": lambda: op(torch.add, (1024, 1024), (1024, 1024)),
    "op_gelu_1m": lambda: op(F.gelu, (1024, 1024)),
    "op_softmax_4096x1024": lambda: op(lambda x: torch.softmax(x, -1), (4096, 1024)),
    "op_layer_norm_4096x1024": normed,
    "op_sum_rows_4096x1024": lambda: op(lambda x: x.sum(0), (4096, 1024)),
    "op_transpose_copy_2048": lambda: op(lambda x: x.t().contiguous(), (2048, 2048)),
    "op_attention_train": op_attention,
}


def in_bf16(step):
    def rounded():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            step()
    return rounded


def measure(name, steps, threads, precision):
    torch.manual_seed(0)
    step = (WORKLOADS | MORE)[name]()
    if precision == "bf16":
        step = in_bf16(step)
    for _ in range(3):
        step()
    times = []
    start = time.perf_counter()
    while len(times) < steps and time.perf_counter() - start < 8:
        before = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - before))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"workload": name, "ms": round(statistics.median(times), 4), "min_ms": round(min(times), 4),
            "runs": len(times), "device": "cpu", "threads": threads, "precision": precision, "peak_mib": peak,
            "torch": torch.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--list", action="store_true", help="only the workloads' names")
    parser.add_argument("--more", action="store_true", help="the models of pytorch_models.py in their place")
    arguments = parser.parse_args()
    names = list(MORE if arguments.more else WORKLOADS)
    if arguments.list:
        print("\n".join(names))
        return
    torch.set_num_threads(arguments.threads)
    for name in arguments.workloads or names:
        print(json.dumps(measure(name, arguments.steps, arguments.threads, arguments.precision)), flush=True)


if __name__ == "__main__":
    main()
