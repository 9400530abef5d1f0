#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fault.glsl"
#include "math.glsl"
#include "recurrent.glsl"
#include "recurrent_step.glsl"

// h_next = cell(projected[:, t], h W^T + bias), for the formulas see recurrent.glsl. A sequence that is over keeps its
// state and has output 0.
layout(push_constant, scalar) uniform Parameters {
  uint64_t projected, weight, bias, lengths;  // bias, lengths: 0 where absent
  uint64_t h, h_next, c, c_next;              // h, c: 0 for zeros;  c is the LSTM's
  uint64_t out_, reserve, fault;              // reserve: 0 where not wanted
  uint batch, time, hidden, t;
  int out_batch, out_time;  // strides
} p;

shared float states[across * rows][slab + 1];
shared float weights[gates * across][slab + 1];

void main() {
  const uint me = gl_LocalInvocationID.x, x = me % across, y = me / across, group = linear_group();
  const uint first_unit = group % unit_groups(p.hidden) * across;
  const uint first_member = group / unit_groups(p.hidden) * across * rows;
  const uint unit = first_unit + x;

  float u[4 * rows];
  [[unroll]] for (uint i = 0; i < gates * rows; ++i) u[i] = 0.0;
  if (p.h != 0) {
    for (uint k0 = 0; k0 < p.hidden; k0 += slab) {
      for (uint i = me; i < across * rows * slab; i += across * across) {
        const uint member = first_member + i / slab, k = k0 + i % slab;
        states[i / slab][i % slab] =
            member < p.batch && k < p.hidden ? Floats(p.h + uint64_t(member) * p.hidden * 4).at[k] : 0.0;
      }
      for (uint i = me; i < gates * across * slab; i += across * across) {
        const uint gate = i / slab / across, row = first_unit + i / slab % across, k = k0 + i % slab;
        weights[i / slab][i % slab] =
            row < p.hidden && k < p.hidden
                ? Floats(p.weight + uint64_t(gate * p.hidden + row) * p.hidden * 4).at[k]
                : 0.0;
      }
      barrier();
      for (uint k = 0; k < slab; ++k) {
        [[unroll]] for (uint gate = 0; gate < gates; ++gate) {
          const float w = weights[gate * across + x][k];
          [[unroll]] for (uint r = 0; r < rows; ++r) u[gate * rows + r] = fma(w, states[y + r * across][k], u[gate * rows + r]);
        }
      }
      barrier();
    }
  }
  if (unit >= p.hidden) return;

  [[unroll]] for (uint r = 0; r < rows; ++r) {
    const uint member = first_member + y + r * across;
    if (member >= p.batch) continue;
    const uint state = member * p.hidden + unit;
    const float h = p.h != 0 ? Floats(p.h).at[state] : 0.0;
    const float c = kind == lstm && p.c != 0 ? Floats(p.c).at[state] : 0.0;
    bool over = false;
    if (p.lengths != 0) {
      const int length = Ints(p.lengths).at[member];
      over = !check_index(p.fault, length, int(p.time) + 1) || p.t >= uint(length);
    }
    const uint64_t position = uint64_t(member) * p.time + p.t;
    Floats in_ = Floats(p.projected + position * gates * p.hidden * 4);
    Step next = stay(h, c);
    if (!over) {
      float x_[4], v[4];
      [[unroll]] for (uint gate = 0; gate < gates; ++gate) {
        x_[gate] = in_.at[gate * p.hidden + unit];
        v[gate] = u[gate * rows + r];
        if (p.bias != 0) v[gate] += Floats(p.bias).at[gate * p.hidden + unit];
      }
      next = advance(x_, v, h, c);
    }
    Floats(p.h_next).at[state] = next.h;
    if (kind == lstm) Floats(p.c_next).at[state] = next.c;
    const int64_t at = int64_t(member) * p.out_batch + int64_t(p.t) * p.out_time;
    Floats(p.out_ + at * 4).at[unit] = over ? 0.0 : next.h;
    if (p.reserve != 0) {
      [[unroll]] for (uint i = 0; i < reserve_width; ++i)
        Floats(p.reserve + (position * reserve_width + i) * p.hidden * 4).at[unit] = next.kept[i];
    }
  }
}
