#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Running sum or product along rows of n elements: a workgroup takes a row, `threads` elements at a time, each part by
// doubling steps (Hillis and Steele 1986), and carries the total over. Integers wrap.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, out_;
  uint rows, n, product, reverse, exclusive;
} p;
shared uint part[gl_WorkGroupSize.x];

uint combine(uint a, uint b) {
  if (type == type_i32) return p.product != 0 ? a * b : a + b;
  const float x = uintBitsToFloat(a), y = uintBitsToFloat(b);
  return floatBitsToUint(p.product != 0 ? x * y : x + y);
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
  const uint row = linear_group(), me = gl_LocalInvocationID.x;
  if (row >= p.rows) return;
  const uint64_t x = row_of(p.x, row, p.n), y = row_of(p.out_, row, p.n);
  const uint one = type == type_i32 ? 1 : floatBitsToUint(1.0);
  const uint neutral = p.product != 0 ? one : 0;
  uint carry = neutral;
  for (uint begin = 0; begin < p.n; begin += threads) {
    const uint step = begin + me, i = p.reverse != 0 ? p.n - 1 - step : step;
    part[me] = step < p.n ? read(x, i) : neutral;
    barrier();
    for (uint distance = 1; distance < threads; distance *= 2) {
      const uint before = me >= distance ? part[me - distance] : neutral;
      barrier();
      part[me] = combine(before, part[me]);
      barrier();
    }
    const uint here = p.exclusive == 0 ? part[me] : me > 0 ? part[me - 1] : neutral;
    if (step < p.n) write(y, i, combine(carry, here));
    carry = combine(carry, part[threads - 1]);
    barrier();
  }
}
