#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "recurrent.glsl"
#include "recurrent_step.glsl"

// The gradients of one step (see recurrent.glsl). With du the gradients of the product at the step that came after
// (t_next), dh = doutput[:, t] + du W + what bypassed the product; from it the gradients of this step's gates: dprojected
// and, where they differ (the gru's n), du. With `last` there is no step left: dh and dc are those of the initial state.
layout(push_constant, scalar) uniform Parameters {
  uint64_t weight, lengths, reserve, du, dprojected, doutput;  // lengths: 0 where absent
  uint64_t dh, dh_next, dc, dc_next;  // what bypasses the product, coming in (0 for zeros) and going out
  uint batch, time, hidden, t;
  uint t_next;  // 0xffffffff: there was none
  int out_batch, out_time;
  uint last;
} p;

shared float gradients[across * rows][slab + 1];
shared float weights[slab][across + 1];

void main() {
  const uint me = gl_LocalInvocationID.x, x = me % across, y = me / across, group = linear_group();
  const uint first_unit = group % unit_groups(p.hidden) * across;
  const uint first_member = group / unit_groups(p.hidden) * across * rows;
  const uint unit = first_unit + x, inner = gates * p.hidden;

  float sum[rows];
  [[unroll]] for (uint r = 0; r < rows; ++r) sum[r] = 0.0;
  if (p.t_next != 0xffffffffu) {
    for (uint k0 = 0; k0 < inner; k0 += slab) {
      for (uint i = me; i < across * rows * slab; i += across * across) {
        const uint member = first_member + i / slab, k = k0 + i % slab;
        gradients[i / slab][i % slab] =
            member < p.batch && k < inner
                ? Floats(p.du + (uint64_t(member) * p.time + p.t_next) * inner * 4).at[k]
                : 0.0;
      }
      for (uint i = me; i < slab * across; i += across * across) {
        const uint k = k0 + i / across, column = first_unit + i % across;
        weights[i / across][i % across] =
            k < inner && column < p.hidden ? Floats(p.weight + uint64_t(k) * p.hidden * 4).at[column] : 0.0;
      }
      barrier();
      for (uint k = 0; k < slab; ++k) {
        const float w = weights[k][x];
        [[unroll]] for (uint r = 0; r < rows; ++r) sum[r] = fma(w, gradients[y + r * across][k], sum[r]);
      }
      barrier();
    }
  }
  if (unit >= p.hidden) return;

  [[unroll]] for (uint r = 0; r < rows; ++r) {
    const uint member = first_member + y + r * across;
    if (member >= p.batch) continue;
    const uint state = member * p.hidden + unit;
    float dh = sum[r] + (p.dh != 0 ? Floats(p.dh).at[state] : 0.0);
    float dc = kind == lstm && p.dc != 0 ? Floats(p.dc).at[state] : 0.0;
    if (p.last != 0) {
      if (p.dh_next != 0) Floats(p.dh_next).at[state] = dh;
      if (kind == lstm && p.dc_next != 0) Floats(p.dc_next).at[state] = dc;
      continue;
    }
    const uint64_t position = uint64_t(member) * p.time + p.t;
    const bool over = p.lengths != 0 && p.t >= uint(Ints(p.lengths).at[member]);
    Gradients d;
    d.product_n = 0.0;
    d.bypass = dh;
    d.c = dc;
    [[unroll]] for (uint gate = 0; gate < gates; ++gate) d.gate[gate] = 0.0;
    if (!over) {
      const int64_t at = int64_t(member) * p.out_batch + int64_t(p.t) * p.out_time;
      dh += Floats(p.doutput + at * 4).at[unit];
      float kept[6];
      [[unroll]] for (uint i = 0; i < reserve_width; ++i)
        kept[i] = Floats(p.reserve + (position * reserve_width + i) * p.hidden * 4).at[unit];
      d = gradients_of(kept, dh, dc);
    }
    [[unroll]] for (uint gate = 0; gate < gates; ++gate) {
      Floats(p.dprojected + (position * gates + gate) * p.hidden * 4).at[unit] = d.gate[gate];
      if (kind == gru)
        Floats(p.du + (position * gates + gate) * p.hidden * 4).at[unit] = gate == 2 ? d.product_n : d.gate[gate];
    }
    Floats(p.dh_next).at[state] = d.bypass;
    if (kind == lstm) Floats(p.dc_next).at[state] = d.c;
  }
}
