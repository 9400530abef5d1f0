#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"

// Row j of out is row index[j] of source; rows of `width` units of 1, 2, 4 or 16 bytes (constant 2), whatever they hold.
// A thread moves one unit. A row that does not exist is noted and gives zeros.
layout(constant_id = 2) const uint unit = 4;
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Quads { uvec4 at[]; };
layout(push_constant, scalar) uniform Parameters {
  uint64_t source, index, out_, fault;
  uint width, count, bound;
} p;

void main() {
  const uint i = linear_thread();
  if (i >= p.count) return;
  const uint j = i / p.width, c = i % p.width;
  const int row = Ints(p.index).at[j];
  const bool there = check_index(p.fault, row, int(p.bound));
  const uint64_t from = p.source + (uint64_t(row) * p.width + c) * unit, to = p.out_ + uint64_t(i) * unit;
  if (unit == 16) {
    Quads(to).at[0] = there ? Quads(from).at[0] : uvec4(0);
  } else if (unit == 4) {
    Words(to).at[0] = there ? Words(from).at[0] : 0;
  } else if (unit == 2) {
    Shorts(to).at[0] = there ? Shorts(from).at[0] : uint16_t(0);
  } else {
    Bytes(to).at[0] = there ? Bytes(from).at[0] : uint8_t(0);
  }
}
