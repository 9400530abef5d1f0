#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"

// out[b] = the sum (or mean) of the rows table[index[j]], j from offsets[b] to offsets[b + 1] or the end: a thread takes
// one column of one bag.
layout(push_constant, scalar) uniform Parameters {
  uint64_t table, index, offsets, out_, fault;
  uint width, bags;
  int count, rows;  // of indices, of the table
  uint mean;
} p;

void main() {
  const uint i = linear_thread();
  const uint b = i / p.width, c = i % p.width;
  if (b >= p.bags) return;
  Ints offsets = Ints(p.offsets), index = Ints(p.index);
  const int begin = offsets.at[b], end = b + 1 < p.bags ? offsets.at[b + 1] : p.count;
  float sum = 0.0;
  // Where the offsets do not rise, the lower one is noted as outside.
  if (check_index(p.fault, begin, p.count + 1) && check_index(p.fault, end, p.count + 1) &&
      (begin <= end || check_index(p.fault, end - begin, p.count + 1))) {
    for (int j = begin; j < end; ++j) {
      const int row = index.at[j];
      if (check_index(p.fault, row, p.rows)) sum += load(row_of(p.table, row, p.width), c);
    }
    if (p.mean != 0 && end - begin > 1) sum *= 1.0 / float(end - begin);
  }
  store(row_of(p.out_, b, p.width), c, sum);
}
