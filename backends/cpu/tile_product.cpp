#include "fovea/backends/cpu/tile_product.h"

#include <algorithm>
#include <cstring>

#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/tile_product.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/tiles-inl.h"
#include "fovea/backends/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

constexpr int64_t group_rows = 12 * most_rows;

// to [depth, R] = the transpose of from [R, depth].
template <int R>
void pack_tile(int64_t depth, Matrix<float> from, float* to) {
  if (from.row == 1) {
    for (int64_t k = 0; k < depth; ++k) std::memcpy(to + k * R, from.data + k * from.column, R * sizeof(float));
    return;
  }
  int r = 0;
  for (; r + 4 <= R; r += 4) {
    const float* x = from.data + r * from.row;
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      if (k % 16 == 0) {  // a line of each of the four rows that come next
        for (int i = 4; i < 8; ++i) hwy::Prefetch(x + i * from.row + k);
      }
      TransposeFourColumns(hn::FixedTag<float, 4>(), x + k, from.row, to + k * R + r, int64_t{R});
    }
    for (; k < depth; ++k) {
      for (int i = 0; i < 4; ++i) to[k * R + r + i] = x[i * from.row + k];
    }
  }
  for (; r < R; ++r) {
    for (int64_t k = 0; k < depth; ++k) to[k * R + r] = from.data[r * from.row + k];
  }
}

// The tiles of rows that lie side by side, in the order of memory: each step of the depth may be a page away from the
// last.
void pack_tiles(int64_t rows, int64_t depth, Matrix<float> from, float* to) {
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t r = 0; r < rows; r += most_rows)
      std::memcpy(to + r * depth + k * most_rows, from.data + k * from.column + r, most_rows * sizeof(float));
  }
}

}  // namespace

// Panels [depth, tile_vectors * float_lanes] one behind the other; zeros stand behind the last column.
void pack_panels(int64_t depth, int64_t columns, Matrix<float> from, float* to) {
  const Floats d;
  int64_t first = 0;
  if (from.column == 1) {
    // In the order of memory as far as panels are equally wide.
    constexpr int64_t width = most_vectors * float_lanes;
    int64_t full = 0;
    while (columns - full >= width && tile_vectors(columns - full) == most_vectors) full += width;
    for (int64_t k = 0; k < depth; ++k) {
      const float* x = from.data + k * from.row;
      for (int64_t j = 0; j < full; j += width) {
        for (int v = 0; v < most_vectors; ++v) {
          hwy::Prefetch(x + j + v * float_lanes + 2 * from.row);
          hn::StoreU(hn::LoadU(d, x + j + v * float_lanes), d, to + j * depth + k * width + v * float_lanes);
        }
      }
    }
    first = full;
  }
  for (int64_t vectors; first < columns; first += vectors * float_lanes) {
    vectors = tile_vectors(columns - first);
    const int64_t width = vectors * float_lanes;
    float* panel = to + first * depth;
    for (int64_t j = 0; j < width; j += float_lanes) {
      const float* x = from.at(0, first + j).data;
      const int64_t here = std::min(float_lanes, columns - first - j);
      int64_t k = 0;
      if (here == float_lanes && from.column == 1) {
        for (; k < depth; ++k) hn::StoreU(hn::LoadU(d, x + k * from.row), d, panel + k * width + j);
      } else if (here == float_lanes && from.row == 1) {
        for (; k + 4 <= depth; k += 4) TransposeFourColumns(d, x + k, from.column, panel + k * width + j, width);
      }
      for (; k < depth; ++k) {
        for (int64_t i = 0; i < float_lanes; ++i)
          panel[k * width + j + i] = i < here ? x[k * from.row + i * from.column] : 0.0f;
      }
    }
  }
}

namespace {

// Rows that lie a multiple of a page apart share a few places of the first-level cache, too few for a tile of them.
// Rows that few panels read are not worth packing.
bool is_readable_as_it_lies(Matrix<float> a, int64_t columns) {
  return columns <= 256 && a.column == 1 && a.row % 1024 != 0;
}

// R rows of c against one panel; columns that no whole vector covers go by way of `edge`, added up in the same order.
template <int R, int V, class Rows>
HWY_INLINE void multiply_panel(Rows rows, const float* panel, int64_t depth, int64_t columns, float* c, int64_t stride,
                               Addend addend, float* edge) {
  const Floats d;
  // So that the results are in the cache by the time that the sums are made.
  for (int r = 0; r < R; ++r) {
    for (int64_t j = 0; j < columns; j += 16) hwy::Prefetch(c + r * stride + j);
  }
  if (HWY_LIKELY(columns == V * float_lanes)) {
    multiply_tile<R, V>(d, rows, PackedPanel<V, float>(panel), depth, addend.data, addend.row, c, stride);
    return;
  }
  for (int r = 0; r < R && addend.data; ++r)
    std::copy_n(addend.data + r * addend.row, columns, edge + r * V * float_lanes);
  multiply_tile<R, V>(d, rows, PackedPanel<V, float>(panel), depth, addend.data ? edge : nullptr, V * float_lanes, edge,
                      V * float_lanes);
  for (int r = 0; r < R; ++r) std::copy_n(edge + r * V * float_lanes, columns, c + r * stride);
}

// R rows of c against all panels of a block.
template <int R, class Rows>
HWY_NOINLINE void multiply_rows(Rows rows, const float* panels, int64_t depth, int64_t columns, float* c,
                                int64_t stride, Addend addend, float* edge) {
  each_column_tile(columns, [&]<int V>(std::integral_constant<int, V>, int64_t j) HWY_ATTR {
    multiply_panel<R, V>(rows, panels + j * depth, depth, std::min(V * float_lanes, columns - j), c + j, stride,
                         addend.at(0, j), edge);
  });
}

}  // namespace

// c [m, columns] = a [m, depth] times a block of panels (+ addend). Where `rows` is not null, a is packed there, or was
// with `are_packed`.
void multiply_block(int64_t m, int64_t columns, int64_t depth, Matrix<float> a, float* rows, bool are_packed,
                    const float* panels, float* c, int64_t stride, Addend addend) {
  const bool direct = !rows && is_readable_as_it_lies(a, columns);
  constexpr int64_t edge_size = most_rows * most_vectors * float_lanes;
  float* edge = thread_room<PackedPart::edge>(edge_size + (direct || rows ? 0 : depth * std::min(m, group_rows)));
  for (int64_t group = 0; group < m; group += group_rows) {
    const Matrix<float> left = a.at(group, 0);
    const int64_t count = std::min(group_rows, m - group);
    const int64_t side_by_side = !direct && left.row == 1 ? count / most_rows * most_rows : 0;
    float* packed = rows ? rows + group * depth : edge + edge_size;
    if (!are_packed) pack_tiles(side_by_side, depth, left, packed);
    each_tile<most_rows>(count, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR {
      float* to = c + (group + row) * stride;
      if (direct) {
        const StridedRows<R, float> from(left.data + row * left.row, left.row);
        multiply_rows<R>(from, panels, depth, columns, to, stride, addend.at(group + row, 0), edge);
      } else {
        const bool is_packed = are_packed || row < side_by_side;
        float* tile = packed + (rows || is_packed ? row * depth : 0);
        if (!is_packed) pack_tile<R>(depth, left.at(row, 0), tile);
        const PackedRows<R, float> from(tile);
        multiply_rows<R>(from, panels, depth, columns, to, stride, addend.at(group + row, 0), edge);
      }
    });
  }
}
int64_t lanes_of_vector() { return float_lanes; }
#else
void pack_panels(int64_t, int64_t, Matrix<float>, float*) {}
void multiply_block(int64_t, int64_t, int64_t, Matrix<float>, float*, bool, const float*, float*, int64_t, Addend) {}
int64_t lanes_of_vector() { return 1; }
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {

FOVEA_VERSIONS(pack_panels);
FOVEA_VERSIONS(multiply_block);
FOVEA_VERSIONS(lanes_of_vector);

int64_t vector_lanes() {
  static const int64_t lanes = FOVEA_DISPATCH(lanes_of_vector)();
  return lanes;
}

namespace {

int64_t block_depth(int64_t k) { return depth_of_block(k, false); }
int64_t width_of_block(int64_t n) { return round_up(std::min(n, most_columns_f32), vector_lanes()); }

// Rows that several blocks of columns read are packed for the first of them, unless that is more than a cache holds.
float* room_for_rows(int64_t m, int64_t n, int64_t k) {
  const int64_t size = m * block_depth(k);
  return n > most_columns_f32 && size <= most_packed ? thread_room<PackedPart::rows>(size) : nullptr;
}

// panels(block): where a block of the right operand is packed.
template <class Panels>
void multiply_blocks(int64_t m, int64_t n, int64_t k, Matrix<float> a, float* c, int64_t stride, bool accumulate,
                     const float* bias, Panels panels) {
  a = a.with_dense_axis(m, k);
  float* rows = room_for_rows(m, n, k);
  each_block(n, k, most_columns_f32, block_depth(k), [&](const ProductBlock& block) {
    FOVEA_DISPATCH(multiply_block)
    (m, block.columns, block.depth, a.at(0, block.p), rows, rows && block.column > 0, panels(block), c + block.column,
     stride, addend_of(block, c, stride, accumulate, bias));
  });
}

void pack(const ProductBlock& block, Matrix<float> b, float* to) {
  FOVEA_DISPATCH(pack_panels)(block.depth, block.columns, b.at(block.p, block.column), to);
}

// Where a block stands in a right operand packed whole.
int64_t place_of(const ProductBlock& block, int64_t n, int64_t k) {
  const int64_t width = width_of_block(n);
  return block.column / most_columns_f32 * width * k + block.p * width;
}

}  // namespace

void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                  bool accumulate, const float* bias) {
  float* panels = thread_room<PackedPart::panels>(block_depth(k) * width_of_block(n));
  multiply_blocks(m, n, k, a, c, stride, accumulate, bias, [&](const ProductBlock& block) {
    pack(block, b, panels);
    return panels;
  });
}

void tile_product(int64_t m, int64_t n, int64_t k, Matrix<float> a, const float* packed, float* c, int64_t stride,
                  bool accumulate, const float* bias) {
  multiply_blocks(m, n, k, a, c, stride, accumulate, bias,
                  [&](const ProductBlock& block) { return packed + place_of(block, n, k); });
}

int64_t packed_for_tile_product(int64_t n, int64_t k) { return divide_up(n, most_columns_f32) * width_of_block(n) * k; }

void pack_for_tile_product(int64_t n, int64_t k, Matrix<float> b, float* packed) {
  each_block(n, k, most_columns_f32, block_depth(k),
             [&](const ProductBlock& block) { pack(block, b, packed + place_of(block, n, k)); });
}

}  // namespace fovea::cpu
#endif
