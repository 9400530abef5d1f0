#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"

// out[index[j]] += scale * source[j], rows of `width` elements, given the indices sorted with their positions: a thread
// adds up one column of one run of equal indices, in order of position. Indices equal to `skip` add nothing.
layout(push_constant, scalar) uniform Parameters {
  uint64_t sorted, positions, source, out_, fault;
  uint width, count;  // of a row; of indices
  int bound, skip;
  float scale;  // of floating numbers
} p;

void main() {
  const uint i = linear_thread();
  const uint first = i / p.width, c = i % p.width;
  if (first >= p.count) return;
  Ints sorted = Ints(p.sorted), positions = Ints(p.positions);
  const int row = sorted.at[first];
  if (first > 0 && sorted.at[first - 1] == row) return;
  if (row == p.skip || !check_index(p.fault, row, p.bound)) return;
  const uint64_t to = row_of(p.out_, row, p.width);
  if (type == type_i32) {
    int sum = Ints(to).at[c];
    for (uint j = first; j < p.count && sorted.at[j] == row; ++j)
      sum += Ints(row_of(p.source, positions.at[j], p.width)).at[c];
    Ints(to).at[c] = sum;
  } else {
    float sum = load(to, c);
    for (uint j = first; j < p.count && sorted.at[j] == row; ++j)
      sum += p.scale * load(row_of(p.source, positions.at[j], p.width), c);
    store(to, c, sum);
  }
}
