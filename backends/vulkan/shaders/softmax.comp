#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "rows.glsl"

// out = exp(x - max) / sum, or with `logarithm` x - max - log(sum), over rows of n elements; a workgroup takes
// threads / lanes rows.
layout(push_constant, scalar) uniform Parameters {
  uint64_t x, out_;
  uint rows, n, logarithm;
} p;

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.n : 0;
  const uint64_t x = row_of(p.x, row, p.n), y = row_of(p.out_, row, p.n);
  float greatest = -uintBitsToFloat(0x7f800000u);
  for (uint i = lane(); i < n; i += lanes) greatest = max(greatest, load(x, i));
  greatest = row_max(greatest);
  float sum = 0.0;
  for (uint i = lane(); i < n; i += lanes) sum += exp_(load(x, i) - greatest);
  sum = row_sum(sum);
  if (p.logarithm != 0) {
    const float log_sum = is_nan(sum) ? sum : log_(sum);
    for (uint i = lane(); i < n; i += lanes) {
      precise const float above = load(x, i) - greatest;  // before the logarithm, or large logits lose its digits
      store(y, i, above - log_sum);
    }
  } else {
    const float scale = 1.0 / sum;
    for (uint i = lane(); i < n; i += lanes) store(y, i, exp_(load(x, i) - greatest) * scale);
  }
}
