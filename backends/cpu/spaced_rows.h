#pragma once

#include <cstdint>

#include "fovea/backends/cpu/bf16_pair.h"

namespace fovea::cpu {

/// Elements of `count` rows that lie `row` elements apart, `columns` of each, `step` apart.
struct SpacedRows {
  const float* data;
  int64_t row, count, columns, step;
};

/// Copies them to rows that lie `pitch` apart, by vectors of AVX2 or better.
void copy_spaced_rows(const SpacedRows& from, float* to, int64_t pitch);
/// The same rounded to bf16, subnormal numbers to zero. Only where multiplies_bf16_pairs(), as the next.
void copy_spaced_rows(const SpacedRows& from, BFloat16* to, int64_t pitch);
/// The same in pairs with those of other rows, which begin at `second`; null: with zeros.
void copy_spaced_rows(const SpacedRows& from, const float* second, Bf16Pair* to, int64_t pitch);

}  // namespace fovea::cpu
