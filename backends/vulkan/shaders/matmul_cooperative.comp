#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "matmul.glsl"
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_NV_cooperative_matrix : require

// A product of f16 (or, after khr_matrices.cpp, bf16) with f32 sums by cooperative matrices; see matmul.glsl. Written
// in the dialect that the compiler knows; khr_matrices.cpp makes of it what drivers have. Slabs of a and b lie in
// shared memory eight elements a word of 16 bytes, along the axis that is dense in the operand, so that nothing is
// turned on the way; each row is a word longer than its elements, so that rows begin in different banks. Two rows of
// subgroups share the tile, each with a block of matrices whose sums stay in its registers.
layout(constant_id = 5) const uint matrix_m = 16;
layout(constant_id = 6) const uint matrix_n = 16;
layout(constant_id = 10) const uint matrix_k = 16;
layout(constant_id = 11) const uint subgroups = 4;

// The scope of a type is a marker that khr_matrices.cpp turns into the type's use.
layout(constant_id = 240) const uint use_a = 3;
layout(constant_id = 241) const uint use_b = 3;
layout(constant_id = 242) const uint use_sums = 3;
#define LEFT fcoopmatNV<16, use_a, matrix_m, matrix_k>
#define RIGHT fcoopmatNV<16, use_b, matrix_k, matrix_n>
#define SUMS fcoopmatNV<32, use_sums, matrix_m, matrix_n>

const uint down = 2, across = subgroups / down;                  // subgroups
const uint block_m = tile_m / down, block_n = tile_n / across;   // of a subgroup
const uint rows = block_m / matrix_m, columns = block_n / matrix_n;  // matrices of a subgroup
const uint k_words = tile_k / 8, m_words = tile_m / 8, n_words = tile_n / 8;
const uint a_pitch = k_words + 1, a_turned_pitch = m_words + 1;  // words from row to row of a, from k to k
const uint b_pitch = n_words + 1, b_turned_pitch = k_words + 1;  // words from k to k of b, from column to column
const uint a_straight = tile_m * a_pitch, a_turned = tile_k * a_turned_pitch;
const uint b_straight = tile_k * b_pitch, b_turned = tile_n * b_turned_pitch;
const uint a_words = a_straight > a_turned ? a_straight : a_turned;
const uint b_words = b_straight > b_turned ? b_straight : b_turned;
const uint a_loads = tile_m * k_words / threads, b_loads = tile_n * k_words / threads;
shared uvec4 a_slab[buffers * a_words];
shared uvec4 b_slab[buffers * b_words];

layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Octets { uvec4 at[]; };

// Up to eight neighbours, `step` elements apart; 0 beyond the `left` ones that exist.
uvec4 read_eight(uint64_t at, int step, uint left) {
  if (vectors) return left == 0 ? uvec4(0) : Octets(at).at[0];
  uvec4 word = uvec4(0);
  [[unroll]] for (uint i = 0; i < 8; ++i) {
    if (i < left) word[i / 2] |= uint(Shorts(at + int64_t(i) * step * 2).at[0]) << (i % 2 * 16);
  }
  return word;
}
uint left_of(uint at, uint end) { return at < end ? end - at : 0; }

void main() {
  const uint me = gl_LocalInvocationID.x;
  const Place place = find_place();
  if (place.beyond) return;
  const bool a_wide = a_along_k(), b_wide = b_along_n();
  const uint my_row = gl_SubgroupID / across * block_m, my_column = gl_SubgroupID % across * block_n;

  SUMS sums[rows * columns];
  [[unroll]] for (uint i = 0; i < rows * columns; ++i) sums[i] = SUMS(0.0);
  uvec4 a_next[a_loads], b_next[b_loads];
  uint slab = 0;

  for (uint k0 = place.k_begin; k0 < place.k_end + tile_k; k0 += tile_k) {
    // Read slab k0 (beyond the end: nothing), multiply the one before, store slab k0.
    if (k0 < place.k_end) {
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint word = me + i * threads;
        const uint row = place.row + (a_wide ? word / k_words : word % m_words * 8);
        const uint k = k0 + (a_wide ? word % k_words * 8 : word / m_words);
        const uint64_t at = place.a + (int64_t(row) * p.a_row + int64_t(k) * p.a_column) * 2;
        const uint m_left = left_of(row, p.m), k_left = left_of(k, place.k_end);
        a_next[i] = a_wide ? read_eight(at, p.a_column, m_left > 0 ? k_left : 0)
                           : read_eight(at, p.a_row, k_left > 0 ? m_left : 0);
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint word = me + i * threads;
        const uint k = k0 + (b_wide ? word / n_words : word % k_words * 8);
        const uint column = place.column + (b_wide ? word % n_words * 8 : word / k_words);
        const uint64_t at = place.b + (int64_t(k) * p.b_row + int64_t(column) * p.b_column) * 2;
        const uint n_left = left_of(column, p.n), k_left = left_of(k, place.k_end);
        b_next[i] = b_wide ? read_eight(at, p.b_column, k_left > 0 ? n_left : 0)
                           : read_eight(at, p.b_row, n_left > 0 ? k_left : 0);
      }
    }
    if (k0 > place.k_begin) {
      const uint a_begin = (buffers - 1 - slab) * a_words, b_begin = (buffers - 1 - slab) * b_words;
      [[unroll]] for (uint k = 0; k < tile_k; k += matrix_k) {
        LEFT left[rows];
        [[unroll]] for (uint i = 0; i < rows; ++i) {
          const uint row = my_row + i * matrix_m;
          if (a_wide) {
            coopMatLoadNV(left[i], a_slab, a_begin + row * a_pitch + k / 8, a_pitch, false);
          } else {
            coopMatLoadNV(left[i], a_slab, a_begin + k * a_turned_pitch + row / 8, a_turned_pitch, true);
          }
        }
        [[unroll]] for (uint j = 0; j < columns; ++j) {
          const uint column = my_column + j * matrix_n;
          RIGHT right;
          if (b_wide) {
            coopMatLoadNV(right, b_slab, b_begin + k * b_pitch + column / 8, b_pitch, false);
          } else {
            coopMatLoadNV(right, b_slab, b_begin + column * b_turned_pitch + k / 8, b_turned_pitch, true);
          }
          [[unroll]] for (uint i = 0; i < rows; ++i)
            sums[i * columns + j] = coopMatMulAddNV(left[i], right, sums[i * columns + j]);
        }
      }
      if (buffers == 1) barrier();
    }
    if (k0 < place.k_end) {
      [[unroll]] for (uint i = 0; i < a_loads; ++i) {
        const uint word = me + i * threads;
        const uint at = a_wide ? word / k_words * a_pitch + word % k_words
                               : word / m_words * a_turned_pitch + word % m_words;
        a_slab[slab * a_words + at] = a_next[i];
      }
      [[unroll]] for (uint i = 0; i < b_loads; ++i) {
        const uint word = me + i * threads;
        const uint at = b_wide ? word / n_words * b_pitch + word % n_words
                               : word / k_words * b_turned_pitch + word % k_words;
        b_slab[slab * b_words + at] = b_next[i];
      }
      barrier();
      slab = buffers - 1 - slab;
    }
  }

  // By way of shared memory, a matrix of each subgroup at a time, for only there is it known which element is which.
  const uint begin = gl_SubgroupID * (matrix_m * matrix_n / 4);
  [[unroll]] for (uint i = 0; i < rows; ++i) {
    [[unroll]] for (uint j = 0; j < columns; ++j) {
      barrier();
      coopMatStoreNV(sums[i * columns + j], a_slab, begin, matrix_n / 4, false);
      barrier();
      for (uint e = gl_SubgroupInvocationID; e < matrix_m * matrix_n; e += gl_SubgroupSize) {
        const uint row = place.row + my_row + i * matrix_m + e / matrix_n;
        const uint column = place.column + my_column + j * matrix_n + e % matrix_n;
        if (row < p.m && column < p.n)
          finish(place.out_, row, column, uintBitsToFloat(a_slab[begin + e / 4][e % 4]));
      }
    }
  }
}
