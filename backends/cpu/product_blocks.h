#pragma once

#include <algorithm>
#include <cstdint>

#include "fovea/backends/round_up.h"

namespace fovea::cpu {

/// Part of a product's right operand [k, n] that a cache holds: columns from `column` on, steps of the depth from `p` on.
struct ProductBlock {
  int64_t column, columns, p, depth;
};

/// What is added to a product, rows `row` apart (0: one row for all, a bias); null: nothing.
struct Addend {
  const float* data;
  int64_t row;

  Addend at(int64_t i, int64_t j) const { return {data ? data + i * row + j : nullptr, row}; }
};

/// The largest block of f32, of bf16 (about twice as many columns) and of f32 in three parts: a second-level cache holds it.
inline constexpr int64_t most_depth = 512, most_columns_f32 = 576, most_columns_bf16 = 1024, most_columns_split = 256;
/// An operand of so many elements is packed whole: a second-level cache still holds it.
inline constexpr int64_t most_packed = int64_t{1} << 19;

/// How deep a block is: it depends on k alone, and with it the order in which an element's terms are added.
inline int64_t depth_of_block(int64_t k, bool bf16) {
  const int64_t parts = std::max<int64_t>(divide_up(k, most_depth), 1);
  return round_up(divide_up(k, parts), bf16 ? 32 : 4);
}

/// What is added to a block's product: what those of lesser depths left in c, or c itself with `accumulate`, else the bias.
inline Addend addend_of(const ProductBlock& block, const float* c, int64_t stride, bool accumulate, const float* bias) {
  return (accumulate || block.p > 0 ? Addend{c, stride} : Addend{bias, 0}).at(0, block.column);
}

/// f(block) for all of them, up to most_columns by `depth` each.
template <class F>
void each_block(int64_t n, int64_t k, int64_t most_columns, int64_t depth, F f) {
  for (int64_t p = 0; p < k; p += depth) {
    for (int64_t column = 0; column < n; column += most_columns)
      f(ProductBlock{column, std::min(most_columns, n - column), p, std::min(depth, k - p)});
  }
}

}  // namespace fovea::cpu
