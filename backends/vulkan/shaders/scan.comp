#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Running sum along rows of n elements: a workgroup takes a block of a row, `threads` elements at a time, each
// part by doubling steps (Hillis and Steele 1986), and carries the total over. It starts from what the blocks before come
// to (`totals` [rows, blocks]) or, where there is no `out_`, leaves the total of its block there. Integers wrap.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, out_, totals;  // totals: 0 where a block is a row
  uint rows, n, block, reverse, exclusive, unused;
} p;
shared uint part[gl_WorkGroupSize.x];

uint combine(uint a, uint b) {
  return type == type_i32 ? a + b : floatBitsToUint(uintBitsToFloat(a) + uintBitsToFloat(b));
}
uint read(uint64_t row, uint i) {
  return type == type_i32 ? Words(row).at[i] : floatBitsToUint(load(row, i));
}
void write(uint64_t row, uint i, uint value) {
  if (type == type_i32) {
    Words(row).at[i] = value;
  } else {
    store(row, i, uintBitsToFloat(value));
  }
}

void main() {
  const uint blocks = (p.n + p.block - 1) / p.block, group = linear_group(), row = group / blocks;
  const uint me = gl_LocalInvocationID.x;
  if (row >= p.rows) return;
  const uint64_t x = row_of(p.x, row, p.n), y = row_of(p.out_, row, p.n);
  const uint neutral = 0;  // as a float, too
  const uint first = group % blocks * p.block, end = min(first + p.block, p.n);
  uint carry = p.totals != 0 && p.out_ != 0 ? Words(p.totals).at[group] : neutral;
  for (uint begin = first; begin < end; begin += threads) {
    const uint step = begin + me, i = p.reverse != 0 ? p.n - 1 - step : step;
    part[me] = step < end ? read(x, i) : neutral;
    barrier();
    for (uint distance = 1; distance < threads; distance *= 2) {
      const uint before = me >= distance ? part[me - distance] : neutral;
      barrier();
      part[me] = combine(before, part[me]);
      barrier();
    }
    const uint here = p.exclusive == 0 ? part[me] : me > 0 ? part[me - 1] : neutral;
    if (step < end && p.out_ != 0) write(y, i, combine(carry, here));
    carry = combine(carry, part[threads - 1]);
    barrier();
  }
  if (p.out_ == 0 && me == 0) Words(p.totals).at[group] = carry;
}
