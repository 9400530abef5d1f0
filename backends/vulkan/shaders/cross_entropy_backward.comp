#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "rows.glsl"

// dx[c] = dloss (p[c] ((1 - s) w[t] + s / classes sum w) - s / classes w[c] - [c == t] (1 - s) w[t]), p =
// softmax(x); 0 in rows of class `ignore`; see cross_entropy.comp. dloss has the type of constant 3.
layout(constant_id = 3) const uint loss_type = 0;
layout(push_constant, scalar) uniform Parameters {
  uint64_t logits, targets, weight, dloss, dlogits;  // weight: 0 where absent
  uint rows, classes;
  int ignore;
  float smoothing;
} p;

float weight(uint c) { return p.weight != 0 ? load(p.weight, c) : 1.0; }

void main() {
  const uint row = row_here();
  const uint n = row < p.rows ? p.classes : 0;
  const uint64_t x = row_of(p.logits, row, p.classes), dx = row_of(p.dlogits, row, p.classes);
  float all = float(p.classes);
  if (p.weight != 0 && p.smoothing != 0.0) {
    all = 0.0;
    for (uint i = lane(); i < n; i += lanes) all += weight(i);
    all = row_sum(all);
  }
  float greatest = -uintBitsToFloat(0x7f800000u);
  for (uint i = lane(); i < n; i += lanes) greatest = max(greatest, load(x, i));
  greatest = row_max(greatest);
  float sum = 0.0;
  for (uint i = lane(); i < n; i += lanes) sum += exp_(load(x, i) - greatest);
  sum = row_sum(sum);
  if (n == 0) return;
  const int target = Ints(p.targets).at[row];
  const bool counts = target != p.ignore && uint(target) < p.classes;
  const float upstream = counts ? load_as(loss_type, p.dloss, row) : 0.0;
  const float each = p.smoothing / float(p.classes);
  const float hit = counts ? upstream * (1.0 - p.smoothing) * weight(target) : 0.0;
  const float share = (hit + upstream * each * all) / sum;
  for (uint i = lane(); i < n; i += lanes) {
    float d = 0.0;
    if (counts) {
      d = exp_(load(x, i) - greatest) * share;
      if (each != 0.0) d -= upstream * each * weight(i);
      if (i == target) d -= hit;
    }
    store(dx, i, d);
  }
}
