#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"
#include "math.glsl"
#include "quads.glsl"
#include "recurrent.glsl"

// All steps of one direction of a recurrent layer; the same results as of recurrent.comp, step by step, but for the order
// in which a product is summed. A workgroup takes `rows` members of the batch through time and depends on no other. Their
// states lie in shared memory; thread j multiplies them with row j of W, thread row * hidden + unit has a member's unit.
layout(constant_id = 4) const uint hidden = 8;
const uint inner = gates * hidden, quads = (hidden + 3) / 4;
layout(push_constant, scalar) uniform Parameters {
  uint64_t projected, weight, bias, lengths;  // weight: [quads][inner][4], 0 beyond hidden;  bias, lengths: 0 where absent
  uint64_t h0, h_last, c0, c_last;            // h0, c0: 0 for zeros;  c is the LSTM's
  uint64_t out_, reserve, fault;              // reserve: 0 where not wanted
  uint batch, time, first, reverse;           // first: of this launch's workgroups
  int out_batch, out_time;                    // strides
} p;

shared vec4 states[rows * quads];
shared float products[rows * inner];

void main() {
  const uint me = gl_LocalInvocationID.x, first_member = (p.first + linear_group()) * rows;
  if (first_member >= p.batch) return;
  const uint row = me / hidden, unit = me % hidden, member = first_member + row, state = member * hidden + unit;
  const bool has_unit = row < rows && member < p.batch;

  for (uint i = me; i < rows * quads; i += threads) states[i] = vec4(0.0);
  uint length = 0, longest = 0;  // my member's; of all members
  [[unroll]] for (uint r = 0; r < rows; ++r) {
    uint its = p.time;
    if (p.lengths != 0 && first_member + r < p.batch) {
      const int given = Ints(p.lengths).at[first_member + r];
      its = uint(given);
      if (its > p.time) {
        if (me == 0) check_index(p.fault, given, int(p.time) + 1);
        its = 0;
      }
    }
    longest = max(longest, its);
    if (r == row) length = its;
  }
  barrier();
  float h = 0.0, c = 0.0;
  if (has_unit) {
    if (p.h0 != 0) h = Floats(p.h0).at[state];
    if (kind == lstm && p.c0 != 0) c = Floats(p.c0).at[state];
    states[row * quads + unit / 4][unit % 4] = h;
  }
  float bias = 0.0;
  if (p.bias != 0 && me < inner) bias = Floats(p.bias).at[me];
  barrier();

  for (uint i = 0; i < p.time; ++i) {
    const uint t = p.reverse != 0 ? p.time - 1 - i : i;
    const uint64_t position = uint64_t(member) * p.time + t;
    const bool over = t >= length, all_over = t >= longest;
    float x[4];
    if (has_unit && !over) {
      Floats in_ = Floats(p.projected + position * inner * 4);
      [[unroll]] for (uint gate = 0; gate < gates; ++gate) x[gate] = in_.at[gate * hidden + unit];
    }
    if (!all_over) {
      if (me < inner) {
        vec4 sums[rows];
        [[unroll]] for (uint r = 0; r < rows; ++r) sums[r] = vec4(0.0);
        for (uint quad = 0; quad < quads; ++quad) {
          const vec4 w = FloatQuads(p.weight).at[quad * inner + me];
          [[unroll]] for (uint r = 0; r < rows; ++r) sums[r] = fma(w, states[r * quads + quad], sums[r]);
        }
        [[unroll]] for (uint r = 0; r < rows; ++r)
          products[r * inner + me] = (sums[r].x + sums[r].y) + (sums[r].z + sums[r].w) + bias;
      }
      barrier();
    }
    if (has_unit) {
      Step next = stay(h, c);
      if (!over) {
        float u[4];
        [[unroll]] for (uint gate = 0; gate < gates; ++gate) u[gate] = products[row * inner + gate * hidden + unit];
        next = advance(x, u, h, c);
        states[row * quads + unit / 4][unit % 4] = next.h;
      }
      h = next.h;
      c = next.c;
      const int64_t at = int64_t(member) * p.out_batch + int64_t(t) * p.out_time;
      Floats(p.out_ + at * 4).at[unit] = over ? 0.0 : h;
      if (p.reserve != 0) {
        [[unroll]] for (uint k = 0; k < reserve_width; ++k)
          Floats(p.reserve + (position * reserve_width + k) * hidden * 4).at[unit] = next.kept[k];
      }
    }
    if (!all_over) barrier();
  }
  if (has_unit) {
    Floats(p.h_last).at[state] = h;
    if (kind == lstm) Floats(p.c_last).at[state] = c;
  }
}
