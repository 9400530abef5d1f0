#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// dx = the sum of dout over the windows that chose an element, or its part of every window that it lies in. A thread
// takes one element and goes through its windows in order.
layout(push_constant, scalar) uniform Parameters {
  uint64_t dout, dx, index;  // index: 0 for the mean
  uvec2 size, positions;
  ivec2 kernel, stride, padding;
  uint planes;
} p;

void main() {
  const uint i = linear_thread(), elements = p.size.x * p.size.y, plane = i / elements;
  if (plane >= p.planes) return;
  const uint at = i % elements, windows = p.positions.x * p.positions.y;
  const ivec2 far = ivec2(at / p.size.y, at % p.size.y) + p.padding, near = far - p.kernel + 1;
  const ivec2 begin = mix(ivec2(0), (near - 1) / p.stride + 1, greaterThan(near, ivec2(0)));
  const ivec2 end = min(far / p.stride + 1, ivec2(p.positions));
  const uint64_t dout = row_of(p.dout, plane, windows);
  float sum = 0.0;
  for (int r = begin.x; r < end.x; ++r) {
    for (int s = begin.y; s < end.y; ++s) {
      const uint window = uint(r) * p.positions.y + uint(s);
      if (p.index == 0 || uint(Ints(p.index).at[plane * windows + window]) == at) sum += load(dout, window);
    }
  }
  store(p.dx, i, p.index != 0 ? sum : sum * (1.0 / (float(p.kernel.x) * float(p.kernel.y))));
}
