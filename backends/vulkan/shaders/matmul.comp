#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "quads.glsl"
#include "matmul.glsl"

// A product of any type, layout and size; see matmul.glsl. A workgroup computes a tile of tile_m x tile_n elements;
// slabs of tile_k columns of a and rows of b go through shared memory as f32, the next slab being read while the
// present one is multiplied. A thread holds thread_m x thread_n sums in groups of 4 x 4. However large the tile, an
// element of out is summed in the order of k, so that all variants give the same bits.
layout(constant_id = 5) const uint thread_m = 4;
layout(constant_id = 6) const uint thread_n = 4;
layout(constant_id = 10) const uint unroll = 1;  // steps of k that are written out

const uint across = tile_n / thread_n, down = tile_m / thread_m;  // threads: multiples of 8 and 4
const uint a_pitch = tile_m / 4 + 1, b_pitch = tile_n / 4 + 1;
const uint a_loads = tile_m * tile_k / 4 / (across * down), b_loads = tile_k * tile_n / 4 / (across * down);
shared vec4 a_slab[buffers * tile_k * a_pitch];
shared vec4 b_slab[buffers * tile_k * b_pitch];

// Up to four neighbours, `step` elements apart; 0 beyond the `left` ones that exist.
vec4 read_neighbours(uint64_t at, int step, uint left) {
  if (vectors) return left == 0 ? vec4(0.0) : load_four(type, at);
  vec4 values = vec4(0.0);
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    if (i < left) values[i] = load(at + int64_t(i) * step * size_of(type), 0);
  }
  return values;
}
uint left_of(uint at, uint end) { return at < end ? end - at : 0; }

void main() {
  const uint me = gl_LocalInvocationID.x;
  const Place place = find_place();
  if (place.beyond) return;
  const bool a_wide = a_along_k(), b_wide = b_along_n();
  const int64_t size = size_of(type);

  // Each 32 threads take a block of 4 x 8 places, neighbours alternating in both directions: what a subgroup reads of a
  // slab at once are few words that many of its threads share.
  const uint block = me / 32, lane = me % 32;
  const uint x = block % (across / 8) * 8 + (lane >> 1) % 8;
  const uint y = block / (across / 8) * 4 + ((lane & 1) | ((lane >> 3) & 2));

  // Where this thread reads, and how many neighbours lie inside along m and n.
  uint64_t a_at[a_loads], b_at[b_loads];
  uint a_left[a_loads], b_left[b_loads];
  [[unroll]] for (uint i = 0; i < a_loads; ++i) {
    const uint four = me + i * across * down;
    const uint row = place.row + (a_wide ? four / (tile_k / 4) : four % (tile_m / 4) * 4);
    const uint column = place.k_begin + (a_wide ? four % (tile_k / 4) * 4 : four / (tile_m / 4));
    a_at[i] = place.a + (int64_t(row) * p.a_row + int64_t(column) * p.a_column) * size;
    a_left[i] = left_of(row, p.m);
  }
  [[unroll]] for (uint i = 0; i < b_loads; ++i) {
    const uint four = me + i * across * down;
    const uint row = place.k_begin + (b_wide ? four / (tile_n / 4) : four % (tile_k / 4) * 4);
    const uint column = place.column + (b_wide ? four % (tile_n / 4) * 4 : four / (tile_k / 4));
    b_at[i] = place.b + (int64_t(row) * p.b_row + int64_t(column) * p.b_column) * size;
    b_left[i] = left_of(column, p.n);
  }
  const int64_t a_step = int64_t(tile_k) * p.a_column * size, b_step = int64_t(tile_k) * p.b_row * size;

  vec4 sums[thread_m * thread_n / 4];
  [[unroll]] for (uint i = 0; i < thread_m * thread_n / 4; ++i) sums[i] = vec4(0.0);
  vec4 a_next[a_loads], b_next[b_loads];
  uint slab = 0;

  for (uint k0 = place.k_begin; k0 < place.k_end + tile_k; k0 += tile_k) {
    // Read slab k0 (beyond the end: nothing), multiply the one before, store slab k0.
    if (k0 < place.k_end) {
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint four = me + i * across * down;
        const uint k = k0 + (a_wide ? four % (tile_k / 4) * 4 : four / (tile_m / 4)), k_left = left_of(k, place.k_end);
        a_next[i] = a_wide ? read_neighbours(a_at[i], p.a_column, a_left[i] > 0 ? k_left : 0)
                           : read_neighbours(a_at[i], p.a_row, k_left > 0 ? a_left[i] : 0);
        a_at[i] += a_step;
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint four = me + i * across * down;
        const uint k = k0 + (b_wide ? four / (tile_n / 4) : four % (tile_k / 4) * 4), k_left = left_of(k, place.k_end);
        b_next[i] = b_wide ? read_neighbours(b_at[i], p.b_column, k_left > 0 ? b_left[i] : 0)
                           : read_neighbours(b_at[i], p.b_row, b_left[i] > 0 ? k_left : 0);
        b_at[i] += b_step;
      }
    }
    if (k0 > place.k_begin) {
      const uint a_begin = (buffers - 1 - slab) * tile_k * a_pitch + y;
      const uint b_begin = (buffers - 1 - slab) * tile_k * b_pitch + x;
      for (uint step = 0; step < tile_k; step += unroll) {
        [[unroll]] for (uint within = 0; within < unroll; ++within) {
          const uint k = step + within;
          vec4 left[thread_m / 4], right[thread_n / 4];
          [[unroll]] for (uint i = 0; i < thread_m / 4; ++i) left[i] = a_slab[a_begin + k * a_pitch + i * down];
          [[unroll]] for (uint j = 0; j < thread_n / 4; ++j) right[j] = b_slab[b_begin + k * b_pitch + j * across];
          [[unroll]] for (uint i = 0; i < thread_m; ++i) {
            [[unroll]] for (uint j = 0; j < thread_n / 4; ++j)
              sums[i * (thread_n / 4) + j] = fma(vec4(left[i / 4][i % 4]), right[j], sums[i * (thread_n / 4) + j]);
          }
        }
      }
      if (buffers == 1) barrier();
    }
    if (k0 < place.k_end) {
      const uint a_begin = slab * tile_k * a_pitch, b_begin = slab * tile_k * b_pitch;
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint four = me + i * across * down;
        if (a_wide) {
          const uint row = four / (tile_k / 4), k = four % (tile_k / 4) * 4;
          [[unroll]] for (uint c = 0; c < 4; ++c) a_slab[a_begin + (k + c) * a_pitch + row / 4][row % 4] = a_next[i][c];
        } else {
          a_slab[a_begin + four / (tile_m / 4) * a_pitch + four % (tile_m / 4)] = a_next[i];
        }
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint four = me + i * across * down;
        if (b_wide) {
          b_slab[b_begin + four / (tile_n / 4) * b_pitch + four % (tile_n / 4)] = b_next[i];
        } else {
          const uint k = four % (tile_k / 4) * 4, column = four / (tile_k / 4);
          [[unroll]] for (uint c = 0; c < 4; ++c)
            b_slab[b_begin + (k + c) * b_pitch + column / 4][column % 4] = b_next[i][c];
        }
      }
      barrier();
      slab = buffers - 1 - slab;
    }
  }

  [[unroll]] for (uint i = 0; i < thread_m; ++i) {
    const uint row = place.row + (i / 4 * down + y) * 4 + i % 4;
    [[unroll]] for (uint j = 0; j < thread_n / 4; ++j) {
      const uint column = place.column + (j * across + x) * 4;
      const vec4 sum = sums[i * (thread_n / 4) + j];
      if (row < p.m && column < p.n) {
        if (vectors && (p.epilogue & writes_fours) != 0) {
          vec4 value;
          [[unroll]] for (uint c = 0; c < 4; ++c) value[c] = finished(sum[c], column + c);
          store_four(out_type, out_address(place.out_, row, column), value);
        } else {
          [[unroll]] for (uint c = 0; c < 4; ++c) {
            if (column + c < p.n) finish(place.out_, row, column + c, sum[c]);
          }
        }
      }
    }
  }
}
