#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// out[o, i, c] = the sum over k < count of weights[begin + k] x[o, first + k, c], with (first, count, begin) = places[i]:
// x [outer, n, inner], out [outer, m, inner]; a thread an element.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, places, weights, out_;
  uint count, n, m, inner;
} p;

void main() {
  const uint at = linear_thread();
  if (at >= p.count) return;
  const uint c = at % p.inner, row = at / p.inner, i = row % p.m, o = row / p.m;
  Ints places = Ints(p.places);
  const uint first = uint(places.at[3 * i]), begin = uint(places.at[3 * i + 2]);
  const int count = places.at[3 * i + 1];
  const uint64_t from = row_of(p.x, o * p.n + first, p.inner);
  float sum = 0.0;
  for (uint k = 0; k < count; ++k) sum += load(p.weights, begin + k) * load(from, k * p.inner + c);
  store(p.out_, at, sum);
}
