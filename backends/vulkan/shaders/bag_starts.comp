#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"

// starts[i] is 1 where a run of equal indices begins in the sorted list and is not that of `skip`.
layout(push_constant, scalar) uniform Parameters {
  uint64_t sorted, starts, fault;
  uint count;
  int skip;
} p;

void main() {
  const uint i = linear_thread();
  if (i >= p.count) return;
  const int row = Ints(p.sorted).at[i];
  const bool valid = row != p.skip && check_index(p.fault, row, 0x7fffffff);
  Ints(p.starts).at[i] = valid && (i == 0 || Ints(p.sorted).at[i - 1] != row) ? 1 : 0;
}
