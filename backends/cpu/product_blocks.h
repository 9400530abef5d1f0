#pragma once

#include <algorithm>
#include <cstdint>

#include "fovea/backends/cpu/round_up.h"

namespace fovea::cpu {

/// Part of a product's right operand [k, n] that a cache holds: columns from `column` on, steps of the depth from `p` on.
struct ProductBlock {
  int64_t column, columns, p, depth;
};

/// How deep a block is, a multiple of `unit`: it depends on k alone, and with it the order in which an element's terms are
/// added.
inline int64_t depth_of_block(int64_t k, int64_t most, int64_t unit) {
  const int64_t parts = std::max<int64_t>((k + most - 1) / most, 1);
  return round_up((k + parts - 1) / parts, unit);
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
