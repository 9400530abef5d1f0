#include "fovea/backends/cpu/gemm.h"

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <bit>

#include "fovea/backends/cpu/threads.h"

namespace fovea::cpu {
namespace {

// OpenBLAS asks OpenMP how many threads the caller may use and takes them all; a product here is one thread's work.
class OneBlasThread {
 public:
  OneBlasThread() : saved_(omp_get_max_threads()) {
    if (saved_ != 1) omp_set_num_threads(1);
  }
  ~OneBlasThread() {
    if (saved_ != 1) omp_set_num_threads(saved_);
  }
  OneBlasThread(const OneBlasThread&) = delete;
  OneBlasThread& operator=(const OneBlasThread&) = delete;

 private:
  int saved_;
};

struct BlasForm {
  CBLAS_TRANSPOSE transpose;
  blasint leading;
};

bool is_dense(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return (columns <= 1 || column == 1) && (rows <= 1 || row >= std::max<int64_t>(columns, 1)) && row < INT32_MAX;
}

template <class T>
BlasForm form(int64_t rows, int64_t columns, const Matrix<T>& matrix) {
  if (is_dense(rows, columns, matrix.row, matrix.column))
    return {CblasNoTrans, static_cast<blasint>(rows <= 1 ? std::max<int64_t>(columns, 1) : matrix.row)};
  return {CblasTrans, static_cast<blasint>(columns <= 1 ? std::max<int64_t>(rows, 1) : matrix.column)};
}

template <class T>
void blas(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride, bool accumulate) {
  const BlasForm left = form(m, k, a), right = form(k, n, b);
  const T beta = accumulate ? 1 : 0;
  const OneBlasThread guard;
  const auto rows = static_cast<blasint>(m), columns = static_cast<blasint>(n), depth = static_cast<blasint>(k),
             leading = static_cast<blasint>(std::max(stride, n));
  if constexpr (sizeof(T) == 4) {
    cblas_sgemm(CblasRowMajor, left.transpose, right.transpose, rows, columns, depth, 1, a.data, left.leading, b.data,
                right.leading, beta, c, leading);
  } else {
    cblas_dgemm(CblasRowMajor, left.transpose, right.transpose, rows, columns, depth, 1, a.data, left.leading, b.data,
                right.leading, beta, c, leading);
  }
}

template <class T>
void multiply(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride, bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i) std::fill_n(c + i * stride, n, T(0));
    return;
  }
  // Lengths that overflow OpenBLAS's 32-bit sizes go in parts.
  constexpr int64_t most = int64_t{1} << 30;
  for (int64_t i = 0; i < m; i += most) {
    for (int64_t j = 0; j < n; j += most) {
      for (int64_t p = 0; p < k; p += most)
        blas(std::min(most, m - i), std::min(most, n - j), std::min(most, k - p), a.at(i, p), b.at(p, j),
             c + i * stride + j, stride, accumulate || p > 0);
    }
  }
}

template <class T>
void multiply_blocks(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t stride, bool accumulate) {
  const Blocks block = cut_product(m, n, k);
  const int64_t across = n ? (n + block.columns - 1) / block.columns : 0;
  const int64_t down = m ? (m + block.rows - 1) / block.rows : 0;
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / across * block.rows, column = item % across * block.columns;
      multiply(std::min(block.rows, m - row), std::min(block.columns, n - column), k, a.at(row, 0), b.at(0, column),
               c + row * stride + column, stride, accumulate);
    }
  });
}

}  // namespace

// As many blocks as there is work for, up to 16 and none so small that packing its operands would weigh, laid out so
// that the least is packed twice.
Blocks cut_product(int64_t m, int64_t n, int64_t k) {
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(std::max<int64_t>(k, 1));
  const auto pieces = static_cast<int64_t>(
      std::bit_floor(static_cast<uint64_t>(std::clamp(work / static_cast<double>(product_grain), 1.0, 16.0))));
  Blocks best{m, n};
  double least = 0;
  for (int64_t down = 1; down <= pieces; down *= 2) {
    const int64_t across = pieces / down;
    const int64_t rows = ((m + down - 1) / down + 15) / 16 * 16, columns = ((n + across - 1) / across + 15) / 16 * 16;
    const double cost = static_cast<double>((m + rows - 1) / rows) * static_cast<double>(n) +
                        static_cast<double>((n + columns - 1) / columns) * static_cast<double>(m);
    if (rows * (down - 1) >= m || columns * (across - 1) >= n) continue;
    if (least == 0 || cost < least) {
      least = cost;
      best = {rows, columns};
    }
  }
  return best;
}

bool is_blas_layout(int64_t rows, int64_t columns, int64_t row, int64_t column) {
  return is_dense(rows, columns, row, column) || is_dense(columns, rows, column, row);
}

void gemm(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
          bool accumulate) {
  multiply(m, n, k, a, b, c, stride, accumulate);
}
void gemm(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
          bool accumulate) {
  multiply(m, n, k, a, b, c, stride, accumulate);
}

void parallel_gemm(int64_t m, int64_t n, int64_t k, Matrix<float> a, Matrix<float> b, float* c, int64_t stride,
                   bool accumulate) {
  multiply_blocks(m, n, k, a, b, c, stride, accumulate);
}
void parallel_gemm(int64_t m, int64_t n, int64_t k, Matrix<double> a, Matrix<double> b, double* c, int64_t stride,
                   bool accumulate) {
  multiply_blocks(m, n, k, a, b, c, stride, accumulate);
}

}  // namespace fovea::cpu
