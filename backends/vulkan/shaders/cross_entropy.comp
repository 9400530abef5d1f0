#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"
#include "math.glsl"
#include "rows.glsl"

// Per row of logits x, with lse = log sum exp x, class id t, class weights w (1 where absent) and smoothing s:
//   loss = (1 - s) w[t] (lse - x[t]) + s / classes sum_c w[c] (lse - x[c]), 0 where t is `ignore`.
// The loss has the type of constant 3.
layout(constant_id = 3) const uint loss_type = 0;
layout(push_constant, scalar) uniform Parameters {
  uint64_t logits, targets, weight, loss, fault;  // weight: 0 where absent
  uint rows, classes;
  int ignore;
  float smoothing;
} p;

// -log p of the class of logit x, whose distance comes before the logarithm, or large logits lose its digits.
float minus_log(float greatest, float log_sum, float x) {
  precise const float below = greatest - x;
  return below + log_sum;
}

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.classes : 0;
  const uint64_t x = row_of(p.logits, row, p.classes);
  float greatest = -uintBitsToFloat(0x7f800000u);
  for (uint i = lane(); i < n; i += lanes) greatest = max(greatest, load(x, i));
  greatest = row_max(greatest);
  float sum = 0.0;
  for (uint i = lane(); i < n; i += lanes) sum += exp_(load(x, i) - greatest);
  sum = row_sum(sum);
  const float log_sum = is_nan(sum) ? sum : log_(sum);
  float spread = 0.0;
  if (p.smoothing != 0.0) {
    for (uint i = lane(); i < n; i += lanes)
      spread += (p.weight != 0 ? load(p.weight, i) : 1.0) * minus_log(greatest, log_sum, load(x, i));
    spread = row_sum(spread);
  }
  if (lane() != 0 || n == 0) return;
  const int target = Ints(p.targets).at[row];
  float loss = 0.0;
  if (target != p.ignore && check_index(p.fault, target, int(p.classes))) {
    loss = (p.weight != 0 ? load(p.weight, target) : 1.0) * minus_log(greatest, log_sum, load(x, target));
    if (p.smoothing != 0.0) loss = (1.0 - p.smoothing) * loss + p.smoothing / float(p.classes) * spread;
  }
  store_as(loss_type, p.loss, row, loss);
}
