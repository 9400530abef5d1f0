#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "rows.glsl"

// dx = y (dy - sum(y dy)), or with `logarithm` dx = dy - exp(y) sum(dy), over rows of n elements.
layout(push_constant, scalar) uniform Parameters {
  uint64_t y, dy, dx;
  uint rows, n, logarithm;
} p;

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.n : 0;
  const uint64_t y = row_of(p.y, row, p.n), dy = row_of(p.dy, row, p.n), dx = row_of(p.dx, row, p.n);
  const bool logarithm = p.logarithm != 0;
  float sum = 0.0;
  for (uint i = lane(); i < n; i += lanes) sum += logarithm ? load(dy, i) : load(dy, i) * load(y, i);
  sum = row_sum(sum);
  for (uint i = lane(); i < n; i += lanes) {
    const float value = load(y, i), gradient = load(dy, i);
    store(dx, i, logarithm ? gradient - exp_(value) * sum : value * (gradient - sum));
  }
}
