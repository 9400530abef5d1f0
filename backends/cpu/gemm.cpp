#include "fovea/backends/cpu/gemm.h"

#include <algorithm>

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/blas.h"
#include "fovea/backends/cpu/product_blocks.h"
#include "fovea/backends/cpu/skinny.h"
#include "fovea/backends/cpu/split_product.h"
#include "fovea/backends/cpu/threads.h"
#include "fovea/backends/cpu/tile_product.h"
#include "fovea/backends/cpu/unpacked_product.h"
#include "fovea/backends/round_up.h"

namespace fovea::cpu {
namespace {

// Where reading the greater operand bounds a product of few rows, a plain pass over it is faster than OpenBLAS.
bool is_skinny(int64_t rows, int64_t columns, int64_t depth) {
  return rows <= skinny_rows && columns * depth >= (rows == 1 ? 2048 : 65536);
}

// Whether up to skinny_rows rows read a right operand in the order of memory, skinny_product()'s way, which adds in the order of
// unpacked_product(): one row, and more where no cache holds the operand. It must not depend on how a product is cut.
bool reads_in_lines(int64_t m, int64_t k, Matrix<float> b) {
  const int64_t size = b.row * k;
  if (m == 1) return size >= 2048;
  return m <= skinny_rows && size > most_packed && (m == 2 || b.row > 3072);
}

template <class T>
void multiply(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride, bool accumulate,
              const T* bias = nullptr) {
  if (m == 0 || n == 0) return;
  bool few_rows = is_skinny(m, n, k);
  const bool few_columns = is_skinny(n, m, k);
  if constexpr (sizeof(T) == 4) {
    const bool tiles = k > 0 && has_tile_product(), unpacked = b.column == 1 && reads_as_it_lies(m, n, k);
    if (tiles && unpacked) few_rows = reads_in_lines(m, k, b);
    if (tiles && (is_small_product(m, n, k) || (unpacked && !few_rows && !few_columns)))
      return unpacked_product(m, n, k, a, b, c, stride, accumulate, bias);
    if (splits_product(m, n, k)) return split_product(m, n, k, a, b, c, stride, accumulate, bias);
    if (tiles && !few_rows && !few_columns) return tile_product(m, n, k, a, b, c, stride, accumulate, bias);
  }
  for (int64_t i = 0; i < m && bias; ++i) std::copy_n(bias, n, c + i * stride);
  accumulate |= bias != nullptr;
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i) std::fill_n(c + i * stride, n, T(0));
    return;
  }
  if constexpr (sizeof(T) == 4) {
    if (few_rows) return skinny_product(m, n, k, a, b, c, stride, 1, accumulate);
    if (few_columns) return skinny_product(n, m, k, b.transposed(), a.transposed(), c, 1, stride, accumulate);
  }
  // Lengths that overflow OpenBLAS's 32-bit sizes go in parts.
  constexpr int64_t most = int64_t{1} << 30;
  for (int64_t i = 0; i < m; i += most) {
    for (int64_t j = 0; j < n; j += most) {
      for (int64_t p = 0; p < k; p += most)
        blas_product(std::min(most, m - i), std::min(most, n - j), std::min(most, k - p), a.at(i, p), b.at(p, j),
                     c + i * stride + j, stride, accumulate || p > 0);
    }
  }
}

}  // namespace

Blocks cut_product(int64_t m, int64_t n, int64_t k, DType dtype) {
  const auto rounded = [](int64_t size, int64_t parts) { return round_up(divide_up(size, parts), 16); };
  // Blocks that another kernel would take, or none at all.
  const bool splits = dtype == DType::f32 && splits_product(m, n, k);
  const int64_t least_rows = splits ? least_split_rows : skinny_rows + 1,
                least_columns = splits ? least_split_columns : skinny_rows + 1;
  const auto least_of = [](int64_t size, int64_t block, int64_t parts) {
    return std::min(block, size - block * (parts - 1));
  };
  const double rows = static_cast<double>(m), columns = static_cast<double>(n);
  // Costs per unit of depth, in multiply-adds; packing an element of an operand takes as long as so many of them.
  const double packing = splits ? 60 : 12;
  const auto cost = [&](double down, double across) {
    return rows * columns + packing * (down * columns + across * rows);
  };
  const double whole = cost(1, 1), work = rows * columns * static_cast<double>(k);
  // OpenBLAS adds in an order that depends on the block's size, so its blocks must not depend on the threads.
  const bool by_threads = dtype == DType::f32 && has_tile_product();
  const int64_t threads = by_threads ? num_threads() : 1, most = by_threads ? (threads > 1 ? 2 * threads : 1) : 64;
  const int64_t grain = by_threads && (is_skinny(m, n, k) || is_skinny(n, m, k) || m <= most_unpacked_rows)
                            ? light_product_grain
                            : product_grain;
  Blocks best{m, n};
  for (int64_t pieces = 2; pieces <= most && work >= static_cast<double>(pieces * grain); pieces *= 2) {
    // One for each thread, then ever more, as long as packing parts of the operands several times stays cheap.
    double least = whole * (pieces <= threads ? 1.5 : pieces <= 16 ? 1.12 : 1.04);
    Blocks found{0, 0};
    for (int64_t down = 1; down <= pieces; down *= 2) {
      const int64_t across = pieces / down;
      const Blocks blocks{rounded(m, down), rounded(n, across)};
      const int64_t shortest = least_of(m, blocks.rows, down), narrowest = least_of(n, blocks.columns, across);
      if ((down > 1 && shortest < least_rows) || (across > 1 && narrowest < least_columns)) continue;
      if (splits && shortest * narrowest * k < least_packed_work) continue;
      const double price = cost(static_cast<double>(down), static_cast<double>(across));
      if (price > least) continue;
      least = price;
      found = blocks;
    }
    if (found.rows == 0) break;
    best = found;
  }
  return best;
}

bool is_dense(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (columns <= 1 || column == 1) && (rows <= 1 || row >= std::max<int64_t>(columns, 1)) && row < INT32_MAX;
}

bool is_blas_layout(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return is_dense(rows, columns, row, column) || is_dense(columns, rows, column, row);
}

void gemm(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride, bool accumulate,
          const float* bias) {
  multiply(m, n, k, a, b, c, stride, accumulate, bias);
}
void gemm(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
          bool accumulate, const double* bias) {
  multiply(m, n, k, a, b, c, stride, accumulate, bias);
}

}  // namespace fovea::cpu
