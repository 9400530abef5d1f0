#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

// Adds up, in order, what the workgroups of a split product have left: parts [parts, batch, m, n]. A thread takes one
// element of out. See matmul.comp.
layout(push_constant, scalar) uniform Parameters {
  uint64_t sums, out_, bias;  // bias: 0 where absent
  uint m, n, batch, parts;
  int out_row, out_column;
  uint batch_inner;
  int out_outer, out_inner, bias_stride;
} p;

void main() {
  const uint i = linear_thread();
  if (i >= p.batch * p.m * p.n) return;
  float value = 0.0;
  for (uint part = 0; part < p.parts; ++part)
    value += Floats(p.sums + (uint64_t(part) * p.batch * p.m * p.n + i) * 4).at[0];
  const uint column = i % p.n, row = i / p.n % p.m, batch = i / p.n / p.m;
  const uint outer = batch / p.batch_inner, inner = batch % p.batch_inner;
  const uint64_t at = p.out_ + (int64_t(outer) * p.out_outer + int64_t(inner) * p.out_inner +
                                int64_t(row) * p.out_row + int64_t(column) * p.out_column) *
                                   size_of(type);
  if (p.bias != 0) value += load(p.bias + int64_t(column) * p.bias_stride * size_of(type), 0);
  store(at, 0, value);
}
