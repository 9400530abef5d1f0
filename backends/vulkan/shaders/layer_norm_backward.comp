#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

// With g = dy * weight and h = (x - mean) * rstd: dx = rstd * (g - mean(g) - h * mean(g h)) over rows of n elements;
// with `rms` mean is 0 and the middle term is left out.
layout(constant_id = 3) const uint moment_type = 0;
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, weight, mean, rstd, dy, dx;  // weight: 0 where absent
  uint rows, n, rms;
} p;

float gradient(uint64_t dy, uint i) { return p.weight != 0 ? load(dy, i) * load(p.weight, i) : load(dy, i); }

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.n : 0;
  const uint64_t x = row_of(p.x, row, p.n), dy = row_of(p.dy, row, p.n), dx = row_of(p.dx, row, p.n);
  const float mean = p.rms == 0 && n > 0 ? load_as(moment_type, p.mean, row) : 0.0;
  const float rstd = n > 0 ? load_as(moment_type, p.rstd, row) : 0.0;
  float sum = 0.0, product = 0.0;
  for (uint i = lane(); i < n; i += lanes) {
    const float g = gradient(dy, i);
    sum += g;
    product += g * ((load(x, i) - mean) * rstd);
  }
  const float shift = p.rms == 0 ? row_sum(sum) / float(p.n) : 0.0;
  const float slope = row_sum(product) / float(p.n);
  for (uint i = lane(); i < n; i += lanes) {
    const float h = (load(x, i) - mean) * rstd;
    store(dx, i, rstd * (gradient(dy, i) - shift - h * slope));
  }
}
