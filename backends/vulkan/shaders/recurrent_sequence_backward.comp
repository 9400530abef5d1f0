#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "recurrent.glsl"

// The gradients of all steps of one direction (see recurrent_backward.comp). A workgroup takes `rows` members of the
// batch back through time and depends on no other. Thread row * hidden + unit has a member's unit. To multiply with W,
// the gradients of the step that came after lie in shared memory, and thread part * hidden + unit adds up the products of
// one of `parts` stretches of them with a column of W.
layout(constant_id = 4) const uint hidden = 8;
layout(constant_id = 5) const uint parts = 1;  // at least `rows`
const uint inner = gates * hidden;
const uint part_quads = ((inner + 3) / 4 + parts - 1) / parts, quads = parts * part_quads;
layout(push_constant, scalar) uniform Parameters {
  uint64_t weight, lengths, reserve, du, dprojected, doutput;  // lengths: 0 where absent
  uint64_t dh_last, dc_last, dh0, dc0;                         // 0 for zeros, and where not wanted
  uint batch, time, first, reverse;                            // first: of this launch's workgroups
  int out_batch, out_time;                                     // strides
} p;

shared vec4 after[rows * quads];  // the gradients of the step that came after, 0 beyond `inner`
shared float partial[parts * rows * hidden];

// Leaves in `partial` the parts of every member's product with W.
void multiply() {
  const uint part = gl_LocalInvocationID.x / hidden, unit = gl_LocalInvocationID.x % hidden;
  if (part < parts) {
    vec4 sums[rows];
    [[unroll]] for (uint r = 0; r < rows; ++r) sums[r] = vec4(0.0);
    for (uint i = 0; i < part_quads; ++i) {
      const uint quad = part * part_quads + i;
      vec4 w = vec4(0.0);
      [[unroll]] for (uint k = 0; k < 4; ++k) {
        if (quad * 4 + k < inner) w[k] = Floats(p.weight).at[(quad * 4 + k) * hidden + unit];
      }
      [[unroll]] for (uint r = 0; r < rows; ++r) sums[r] = fma(w, after[r * quads + quad], sums[r]);
    }
    [[unroll]] for (uint r = 0; r < rows; ++r)
      partial[(part * rows + r) * hidden + unit] = (sums[r].x + sums[r].y) + (sums[r].z + sums[r].w);
  }
  barrier();
}
float product_of(uint row, uint unit) {
  float sum = 0.0;
  for (uint part = 0; part < parts; ++part) sum += partial[(part * rows + row) * hidden + unit];
  return sum;
}

void main() {
  const uint me = gl_LocalInvocationID.x, first_member = (p.first + linear_group()) * rows;
  if (first_member >= p.batch) return;
  const uint row = me / hidden, unit = me % hidden, member = first_member + row, state = member * hidden + unit;
  const bool has_unit = row < rows && member < p.batch;

  uint length = 0, longest = 0;  // my member's; of all members
  [[unroll]] for (uint r = 0; r < rows; ++r) {
    uint its = p.time;
    if (p.lengths != 0 && first_member + r < p.batch) {
      its = uint(Ints(p.lengths).at[first_member + r]);
      if (its > p.time) its = 0;  // forward has reported it
    }
    longest = max(longest, its);
    if (r == row) length = its;
  }
  for (uint i = me; i < rows * quads; i += threads) after[i] = vec4(0.0);
  barrier();
  float dh = 0.0, dc = 0.0;
  if (has_unit) {
    if (p.dh_last != 0) dh = Floats(p.dh_last).at[state];
    if (kind == lstm && p.dc_last != 0) dc = Floats(p.dc_last).at[state];
  }

  bool live = false;  // whether the step that came after has gradients
  for (uint i = 0; i < p.time; ++i) {
    const uint t = p.reverse != 0 ? i : p.time - 1 - i;
    const uint64_t position = uint64_t(member) * p.time + t;
    const bool over = t >= length;
    float kept[6], upstream = 0.0;
    if (has_unit && !over) {
      const int64_t at = int64_t(member) * p.out_batch + int64_t(t) * p.out_time;
      upstream = Floats(p.doutput + at * 4).at[unit];
      [[unroll]] for (uint k = 0; k < reserve_width; ++k)
        kept[k] = Floats(p.reserve + (position * reserve_width + k) * hidden * 4).at[unit];
    }
    if (live) multiply();
    if (has_unit) {
      if (live) dh += product_of(row, unit);
      Gradients d;
      d.product_n = 0.0;
      d.bypass = dh;
      d.c = dc;
      [[unroll]] for (uint gate = 0; gate < 4; ++gate) d.gate[gate] = 0.0;
      if (!over) d = gradients_of(kept, dh + upstream, dc);
      dh = d.bypass;
      dc = d.c;
      [[unroll]] for (uint gate = 0; gate < gates; ++gate) {
        const uint at = gate * hidden + unit;
        const float product = kind == gru && gate == 2 ? d.product_n : d.gate[gate];
        Floats(p.dprojected + position * inner * 4).at[at] = d.gate[gate];
        if (kind == gru) Floats(p.du + position * inner * 4).at[at] = product;
        after[row * quads + at / 4][at % 4] = product;
      }
    }
    live = t < longest;
    if (live) barrier();
  }
  if (p.dh0 == 0 && p.dc0 == 0) return;
  if (live) multiply();
  if (has_unit) {
    if (live) dh += product_of(row, unit);
    if (p.dh0 != 0) Floats(p.dh0).at[state] = dh;
    if (kind == lstm && p.dc0 != 0) Floats(p.dc0).at[state] = dc;
  }
}
