#!/usr/bin/env python3
"""What PyTorch's caching allocator for GPUs would hold for the workloads of pytorch_workloads.py, in MiB, as JSON lines.

No GPU is needed: the workload runs on the CPU under PyTorch's profiler, and its allocations and frees, in their order,
go through a model of c10/cuda/CUDACachingAllocator.cpp on one stream."""

import argparse
import json

import torch
from torch.profiler import ProfilerActivity, profile

from pytorch_workloads import WORKLOADS

KIB, MIB = 1 << 10, 1 << 20


class CachingAllocator:
    """Blocks of a small pool (segments of 2 MiB) and of a large one, split and joined; nothing is given back."""

    def __init__(self):
        self.free = {True: [], False: []}  # by pool: [segment, offset, size]
        self.used = {}
        self.reserved = 0
        self.segments = 0

    def allocate(self, pointer, size):
        size = max(512, (size + 511) // 512 * 512)
        small = size <= MIB
        fitting = [block for block in self.free[small] if block[2] >= size]
        if fitting:
            block = min(fitting, key=lambda b: (b[2], b[0], b[1]))
            self.free[small].remove(block)
        else:
            segment = 2 * MIB if small else 20 * MIB if size < 10 * MIB else (size + 2 * MIB - 1) // (2 * MIB) * 2 * MIB
            block = [self.segments, 0, segment]
            self.segments += 1
            self.reserved += segment
        rest = block[2] - size
        if rest >= 512 if small else rest > MIB:
            self.free[small].append([block[0], block[1] + size, rest])
            block = [block[0], block[1], size]
        self.used[pointer] = (small, block)

    def release(self, pointer):
        small, block = self.used.pop(pointer)
        for other in list(self.free[small]):
            if other[0] != block[0]:
                continue
            if other[1] + other[2] == block[1]:
                block = [block[0], other[1], other[2] + block[2]]
            elif block[1] + block[2] == other[1]:
                block = [block[0], block[1], block[2] + other[2]]
            else:
                continue
            self.free[small].remove(other)
        self.free[small].append(block)


def allocations(events):
    found = []
    stack = list(events)
    while stack:
        event = stack.pop()
        stack.extend(event.children)
        if event.tag == torch._C._profiler._EventType.Allocation:
            found.append((event.start_time_ns, event.extra_fields.ptr, event.extra_fields.alloc_size))
    return sorted(found, key=lambda e: e[0])


def measure(name, steps):
    torch.manual_seed(0)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, record_shapes=False) as profiler:
        step = WORKLOADS[name]()
        for _ in range(steps):
            step()
    allocator = CachingAllocator()
    live = peak = 0
    for _, pointer, size in allocations(profiler.profiler.kineto_results.experimental_event_tree()):
        if size > 0:
            allocator.allocate(pointer, size)
            live += size
            peak = max(peak, live)
        elif pointer in allocator.used:
            allocator.release(pointer)
            live += size
    return {"workload": name, "reserved_mib": round(allocator.reserved / MIB, 2), "peak_live_mib": round(peak / MIB, 2),
            "torch": torch.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", default=[n for n in WORKLOADS if n.startswith("train_")])
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.workloads:
        print(json.dumps(measure(name, arguments.steps)), flush=True)


if __name__ == "__main__":
    main()
