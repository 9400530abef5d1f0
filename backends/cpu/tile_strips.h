#pragma once

#include <cstdint>

#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {

/// What operands that are packed for matrix tiles (AMX) consist of: bf16 in pairs, the rounded numbers or the three parts that
/// add up to each f32 (split_product.h).
template <int parts>
struct TileWord {
  uint32_t bits;

  /// How many words 16 lines (rows of a left operand, columns of a right one) take: 256 for each part and 32 steps of the
  /// depth, and where there are parts a mark, of numbers that have none.
  static constexpr int64_t strip(int64_t depth) {
    return divide_up(depth, int64_t{32}) * parts * 256 + (parts > 1 ? 16 : 0);
  }
};
template <class Word>
inline constexpr bool is_tile_word = false;
template <int parts>
inline constexpr bool is_tile_word<TileWord<parts>> = true;

/// Up to 16 lines of x, whose neighbours lie `line` and `step` apart (one of them 1), as rows or as columns.
void pack_strip(const float* x, int64_t line, int64_t step, int64_t lines, int64_t depth, bool columns,
                TileWord<1>* to);
void pack_strip(const float* x, int64_t line, int64_t step, int64_t lines, int64_t depth, bool columns,
                TileWord<3>* to);

/// A thread that multiplies strips has one of these.
class TileUse {
 public:
  TileUse();
  ~TileUse();
  TileUse(const TileUse&) = delete;
  TileUse& operator=(const TileUse&) = delete;
};

/// c [m, n], rows `stride` apart, = the addend + up to 16 rows by up to 64 columns in strips one behind the other, as
/// bf16_product() and split_product() do. Only where bf16_unit() has tiles.
void multiply_strips(int64_t m, int64_t n, int64_t depth, const TileWord<1>* rows, const TileWord<1>* columns,
                     Addend addend, float* c, int64_t stride);
void multiply_strips(int64_t m, int64_t n, int64_t depth, const TileWord<3>* rows, const TileWord<3>* columns,
                     Addend addend, float* c, int64_t stride);

}  // namespace fovea::cpu
