#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "keys.glsl"

// The position of the greatest (or least) element of rows of n, the first of equals; NaN before all. A workgroup takes a
// row.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, out_;
  uint rows, n, minimum;
} p;
shared uint best_key[gl_WorkGroupSize.x];
shared uint best_at[gl_WorkGroupSize.x];

void main() {
  const uint row = linear_group(), me = gl_LocalInvocationID.x;
  if (row >= p.rows) return;
  const uint64_t x = row_of(p.x, row, p.n);
  uint best = 0, at = 0xffffffffu;
  for (uint i = me; i < p.n; i += threads) {
    uint key = key_at(x, i);
    const bool nan = type != type_i32 && type != type_bool && key == 0xffffffffu;
    if (p.minimum != 0 && !nan) key = ~key;
    if (at == 0xffffffffu || key > best) {
      best = key;
      at = i;
    }
  }
  best_key[me] = best;
  best_at[me] = at;
  barrier();
  for (uint h = threads / 2; h > 0; h /= 2) {
    if (me < h) {
      const uint other = best_key[me + h], there = best_at[me + h];
      if (other > best_key[me] || (other == best_key[me] && there < best_at[me])) {
        best_key[me] = other;
        best_at[me] = there;
      }
    }
    barrier();
  }
  if (me == 0) Words(p.out_).at[row] = best_at[0];
}
