#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "math.glsl"
#include "activation.glsl"

// out [m, n] = activation(a [m, k] b [k, n] + bias [n] + accumulate * out), with any strides, for each member of a batch
// (the grid's z). A workgroup computes a tile of tile_m x tile_n elements; slabs of tile_k columns of a and rows of b go
// through shared memory as f32, the next slab being read while the present one is multiplied. A thread holds thread_m x
// thread_n sums in groups of 4 x 4. With splits, a workgroup takes k_chunk of k and leaves its sums for matmul_join.comp.
layout(constant_id = 2) const uint tile_m = 64;
layout(constant_id = 3) const uint tile_n = 64;
layout(constant_id = 4) const uint tile_k = 16;
layout(constant_id = 5) const uint thread_m = 4;
layout(constant_id = 6) const uint thread_n = 4;
layout(constant_id = 7) const bool vectors = false;  // a and b are read four f32 at a time
layout(constant_id = 8) const uint out_type = 0;

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Quads { vec4 at[]; };
layout(push_constant, scalar) uniform Parameters {
  uint64_t a, b, out_, bias;  // bias: 0 where absent
  uint m, n, k, k_chunk;
  int a_row, a_column, b_row, b_column, out_row, out_column;
  uint batch_inner;
  int a_outer, a_inner, b_outer, b_inner, out_outer, out_inner;
  int bias_stride;
  uint epilogue;  // activation | accumulate << 8 | partial sums << 9
} p;

const uint across = tile_n / thread_n, down = tile_m / thread_m;  // threads
const uint a_pitch = tile_m / 4 + 1, b_pitch = tile_n / 4 + 1;
const uint a_loads = tile_m * tile_k / 4 / (across * down), b_loads = tile_k * tile_n / 4 / (across * down);
shared vec4 a_slab[tile_k * a_pitch];
shared vec4 b_slab[tile_k * b_pitch];

// Four neighbours of a matrix at (row, column), along its columns or its rows; 0 outside.
vec4 read_four(uint64_t matrix, int row_step, int column_step, uint row, uint column, uint rows, uint columns,
               bool along_row) {
  const int64_t at = int64_t(row) * row_step + int64_t(column) * column_step;
  if (vectors) {
    if (row >= rows || column >= columns) return vec4(0.0);
    return Quads(matrix + at * 4).at[0];
  }
  vec4 values = vec4(0.0);
  const int step = along_row ? column_step : row_step;
  const uint64_t first = matrix + at * size_of(type);
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const bool inside = along_row ? row < rows && column + i < columns : row + i < rows && column < columns;
    if (inside) values[i] = load(first + int64_t(i) * step * size_of(type), 0);
  }
  return values;
}

void main() {
  const uint me = gl_LocalInvocationID.x;
  const uint tiles_m = (p.m + tile_m - 1) / tile_m, tiles_n = (p.n + tile_n - 1) / tile_n;
  const uint group = linear_group();
  const uint tile = group % (tiles_m * tiles_n), part = group / (tiles_m * tiles_n);
  const uint batch = gl_WorkGroupID.z, outer = batch / p.batch_inner, inner = batch % p.batch_inner;
  // Eight rows of tiles at a time, so that neighbours in time share what they read.
  const uint band = tile / (8 * tiles_n), band_rows = min(8, tiles_m - band * 8);
  const uint in_band = tile - band * 8 * tiles_n;
  const uint first_row = (band * 8 + in_band % band_rows) * tile_m, first_column = in_band / band_rows * tile_n;
  const uint size = size_of(type);
  const uint64_t a = p.a + (int64_t(outer) * p.a_outer + int64_t(inner) * p.a_inner) * size;
  const uint64_t b = p.b + (int64_t(outer) * p.b_outer + int64_t(inner) * p.b_inner) * size;
  const uint k_begin = part * p.k_chunk, k_end = min(k_begin + p.k_chunk, p.k);

  // Neighbouring threads read along the axis that is dense.
  const bool a_along_k = p.a_column == 1 || p.a_row != 1, b_along_n = p.b_column == 1 || p.b_row != 1;
  const uint x = me % across, y = me / across;
  vec4 sums[thread_m * thread_n / 4];
  [[unroll]] for (uint i = 0; i < thread_m * thread_n / 4; ++i) sums[i] = vec4(0.0);
  vec4 a_next[a_loads], b_next[b_loads];

  for (uint k0 = k_begin; k0 < k_end + tile_k; k0 += tile_k) {
    // Read slab k0 (beyond the end: nothing), multiply the one before, store slab k0.
    if (k0 < k_end) {
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint four = me + i * across * down;
        const uint row = a_along_k ? four / (tile_k / 4) : four % (tile_m / 4) * 4;
        const uint column = a_along_k ? four % (tile_k / 4) * 4 : four / (tile_m / 4);
        a_next[i] = read_four(a, p.a_row, p.a_column, first_row + row, k0 + column, p.m, k_end, a_along_k);
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint four = me + i * across * down;
        const uint row = b_along_n ? four / (tile_n / 4) : four % (tile_k / 4) * 4;
        const uint column = b_along_n ? four % (tile_n / 4) * 4 : four / (tile_k / 4);
        b_next[i] = read_four(b, p.b_row, p.b_column, k0 + row, first_column + column, k_end, p.n, b_along_n);
      }
    }
    if (k0 > k_begin) {
      for (uint k = 0; k < tile_k; ++k) {
        vec4 left[thread_m / 4], right[thread_n / 4];
        [[unroll]] for (uint i = 0; i < thread_m / 4; ++i) left[i] = a_slab[k * a_pitch + i * down + y];
        [[unroll]] for (uint j = 0; j < thread_n / 4; ++j) right[j] = b_slab[k * b_pitch + j * across + x];
        [[unroll]] for (uint i = 0; i < thread_m; ++i) {
          [[unroll]] for (uint j = 0; j < thread_n / 4; ++j)
            sums[i * (thread_n / 4) + j] = fma(vec4(left[i / 4][i % 4]), right[j], sums[i * (thread_n / 4) + j]);
        }
      }
      barrier();
    }
    if (k0 < k_end) {
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint four = me + i * across * down;
        if (a_along_k) {
          const uint row = four / (tile_k / 4), column = four % (tile_k / 4) * 4;
          [[unroll]] for (uint c = 0; c < 4; ++c) a_slab[(column + c) * a_pitch + row / 4][row % 4] = a_next[i][c];
        } else {
          a_slab[four / (tile_m / 4) * a_pitch + four % (tile_m / 4)] = a_next[i];
        }
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint four = me + i * across * down;
        if (b_along_n) {
          b_slab[four / (tile_n / 4) * b_pitch + four % (tile_n / 4)] = b_next[i];
        } else {
          const uint row = four % (tile_k / 4) * 4, column = four / (tile_k / 4);
          [[unroll]] for (uint c = 0; c < 4; ++c) b_slab[(row + c) * b_pitch + column / 4][column % 4] = b_next[i][c];
        }
      }
      barrier();
    }
  }

  const bool partial = (p.epilogue & 512) != 0, accumulate = (p.epilogue & 256) != 0;
  uint64_t out_ = p.out_;
  if (partial) {
    out_ += (uint64_t(part) * gl_NumWorkGroups.z + batch) * p.m * p.n * 4;
  } else {
    out_ += (int64_t(outer) * p.out_outer + int64_t(inner) * p.out_inner) * size_of(out_type);
  }
  [[unroll]] for (uint i = 0; i < thread_m; ++i) {
    const uint row = first_row + (i / 4 * down + y) * 4 + i % 4;
    [[unroll]] for (uint j = 0; j < thread_n; ++j) {
      const uint column = first_column + (j / 4 * across + x) * 4 + j % 4;
      if (row < p.m && column < p.n) {
        float value = sums[i * (thread_n / 4) + j / 4][j % 4];
        const uint64_t at =
            out_ + (int64_t(row) * p.out_row + int64_t(column) * p.out_column) * size_of(out_type);
        if (p.bias != 0) value += load(p.bias + int64_t(column) * p.bias_stride * size, 0);
        if (accumulate) value += load_as(out_type, at, 0);
        store_as(out_type, at, 0, activate(p.epilogue & 255, value));
      }
    }
  }
}
