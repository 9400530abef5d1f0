#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// The gradient of a bag sum for each distinct row: given the indices sorted, their positions, and at the start of each
// run the number (from 1) of its row, a thread adds up one column of one run. The bag of a position is the last whose
// offset is not above it. There are as many rows as indices; those past the last run are marked as absent.
layout(push_constant, scalar) uniform Parameters {
  uint64_t sorted, positions, numbers, offsets, dout, rows, values;
  uint width, count, bags, mean;
  int skip;
} p;

const int absent = 0x7fffffff;

uint bag_of(int position) {
  uint low = 0, high = p.bags;
  while (high - low > 1) {
    const uint middle = (low + high) / 2;
    if (Ints(p.offsets).at[middle] <= position) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

void main() {
  const uint i = linear_thread();
  const uint first = i / p.width, c = i % p.width;
  if (first >= p.count) return;
  Ints sorted = Ints(p.sorted), numbers = Ints(p.numbers), offsets = Ints(p.offsets);
  if (int(first) >= numbers.at[p.count - 1]) {
    if (c == 0) Ints(p.rows).at[first] = absent;
    store(row_of(p.values, first, p.width), c, 0.0);
  }
  const int row = sorted.at[first];
  const int number = numbers.at[first];
  if (row == p.skip || number == (first > 0 ? numbers.at[first - 1] : 0)) return;
  float sum = 0.0;
  for (uint j = first; j < p.count && sorted.at[j] == row; ++j) {
    const uint b = bag_of(Ints(p.positions).at[j]);
    const int size = (b + 1 < p.bags ? offsets.at[b + 1] : int(p.count)) - offsets.at[b];
    const float value = load(row_of(p.dout, b, p.width), c);
    sum += p.mean != 0 ? 1.0 / float(size) * value : value;
  }
  if (c == 0) Ints(p.rows).at[number - 1] = row;
  store(row_of(p.values, number - 1, p.width), c, sum);
}
