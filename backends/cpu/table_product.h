#pragma once

#include <cstdint>

#include "fovea/backends/cpu/matrix_tiles.h"

#ifdef FOVEA_HAS_BF16
namespace fovea::cpu {

/// Products of tiles of rows, which a table tells where to find, and of columns one behind the other.
struct TableProduct {
  const char* rows;
  int64_t row_bytes, strip_bytes, part_bytes;
  const int64_t* offsets;  // of each step's rows
  int64_t steps;
  const uint32_t* columns;
  int64_t strip_words;
};

/// R by V tiles of c, rows `stride` apart.
template <int parts, int R, int V>
FOVEA_BF16 void multiply_by_table(const TableProduct& p, Addend addend, float* c, int64_t stride) {
  matrix_tiles::begin_sums<R, V>(addend);
  matrix_tiles::WakefulStores<parts> stores;
  const uint32_t* columns = p.columns;
  for (int64_t i = 0; i < p.steps; ++i, columns += parts * matrix_tiles::tile_words) {
    const char* rows = p.rows + p.offsets[i];
    matrix_tiles::add_step<parts, R, V>(
        [&](int part) FOVEA_BF16 {
          matrix_tiles::load<4>(rows + part * p.part_bytes, p.row_bytes);
          if constexpr (R > 1) matrix_tiles::load<5>(rows + part * p.part_bytes + p.strip_bytes, p.row_bytes);
        },
        [&](int part) FOVEA_BF16 {
          matrix_tiles::load<6>(columns + part * matrix_tiles::tile_words, 64);
          if constexpr (V > 1) matrix_tiles::load<7>(columns + part * matrix_tiles::tile_words + p.strip_words, 64);
        });
    stores.after_step(i);
  }
  matrix_tiles::store_sums<R, V>(c, stride);
}
/// Up to 32 by 32 of them, in whole tiles.
template <int parts>
void multiply_by_table(int64_t m, int64_t n, const TableProduct& p, Addend addend, float* c, int64_t stride) {
  const bool tall = m > matrix_tiles::side, wide = n > matrix_tiles::side;
  const auto multiply = tall ? (wide ? multiply_by_table<parts, 2, 2> : multiply_by_table<parts, 2, 1>)
                             : (wide ? multiply_by_table<parts, 1, 2> : multiply_by_table<parts, 1, 1>);
  multiply(p, addend, c, stride);
}

}  // namespace fovea::cpu
#endif
