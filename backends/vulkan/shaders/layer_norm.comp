#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "rows.glsl"

// y = (x - mean) * rstd * weight + bias over rows of n elements, rstd = 1 / sqrt(var + eps); with `rms` the mean is
// taken as 0 and not stored. Mean and rstd have the type of constant 3.
layout(constant_id = 3) const uint moment_type = 0;
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, weight, bias, y, mean, rstd;  // weight, bias: 0 where absent
  uint rows, n, rms;
  float eps;
} p;

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.n : 0;
  const uint64_t x = row_of(p.x, row, p.n), y = row_of(p.y, row, p.n);
  const float count = float(p.n);
  float mean = 0.0;
  if (p.rms == 0) {
    for (uint i = lane(); i < n; i += lanes) mean += load(x, i);
    mean = row_sum(mean) / count;
  }
  float square = 0.0;
  for (uint i = lane(); i < n; i += lanes) {
    const float d = load(x, i) - mean;
    square = fma(d, d, square);
  }
  const float rstd = 1.0 / sqrt(row_sum(square) / count + p.eps);
  for (uint i = lane(); i < n; i += lanes) {
    float value = (load(x, i) - mean) * rstd;
    if (p.weight != 0) value *= load(p.weight, i);
    if (p.bias != 0) value += load(p.bias, i);
    store(y, i, value);
  }
  if (lane() == 0 && n > 0) {
    if (p.rms == 0) store_as(moment_type, p.mean, row, mean);
    store_as(moment_type, p.rstd, row, rstd);
  }
}
