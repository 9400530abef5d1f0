#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// The greatest (and its flat position, the first of equals; a NaN is the greatest, the last of several) or the mean of
// every window of planes of `size` elements. A thread takes one window.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, out_, index;  // index: 0 for the mean
  uvec2 size, positions;
  ivec2 kernel, stride, padding;
  uint planes;
} p;

void main() {
  const uint i = linear_thread(), windows = p.positions.x * p.positions.y, plane = i / windows;
  if (plane >= p.planes) return;
  const ivec2 place = ivec2(i % windows / p.positions.y, i % windows % p.positions.y);
  const ivec2 corner = place * p.stride - p.padding;
  const ivec2 begin = max(corner, ivec2(0)), end = min(corner + p.kernel, ivec2(p.size));
  const uint64_t x = row_of(p.x, plane, p.size.x * p.size.y);
  uint best = uint(begin.x) * p.size.y + uint(begin.y);
  float greatest = p.index != 0 ? load(x, best) : 0.0, sum = 0.0;
  for (int r = begin.x; r < end.x; ++r) {
    for (int s = begin.y; s < end.y; ++s) {
      const uint at = uint(r) * p.size.y + uint(s);
      const float value = load(x, at);
      sum += value;
      if (value > greatest || is_nan(value)) {
        greatest = value;
        best = at;
      }
    }
  }
  if (p.index != 0) {
    Ints(p.index).at[i] = int(best);
    store(p.out_, i, greatest);
  } else {
    store(p.out_, i, sum * (1.0 / (float(p.kernel.x) * float(p.kernel.y))));
  }
}
