#include "fovea/backends/cpu/gemm.h"

#include <gtest/gtest.h>

#include "backends/array.h"

namespace fovea::test {
namespace {

template <class T>
cpu::Matrix<T> matrix(const Array& x) {
  return {x.data<T>(), x.view.strides[0], x.view.strides[1]};
}

/// What stands in c before, a bias in its place, or neither.
enum class Start { nothing, accumulate, bias };

template <class T>
void expect_definition(DType dtype, double tolerance) {
  // Few rows or columns beside an operand that is read once, products that packing would outlast, and none of the depth at
  // all, have ways of their own.
  for (const auto& [m, n, k] : {std::tuple{3, 40000, 2},
                                {40000, 3, 2},
                                {1, 70, 64},
                                {70, 1, 64},
                                {4, 1030, 65},
                                {1030, 4, 65},
                                {5, 1030, 65},
                                {8, 700, 101},
                                {1030, 7, 65},
                                {20, 30, 9},
                                {1, 1, 1},
                                {3, 3, 3},
                                {8, 1, 64},
                                {9, 17, 33},
                                {15, 16, 17},
                                {16, 32, 16},
                                {130, 31, 2},
                                {6, 7, 0}}) {
    for (Layout la : {Layout::dense, Layout::transposed}) {
      for (Layout lb : {Layout::dense, Layout::transposed}) {
        for (Start start : {Start::nothing, Start::accumulate, Start::bias}) {
          const Array a = noise({m, k}, 1, dtype, la), b = noise({k, n}, 2, dtype, lb), bias = noise({n}, 3, dtype);
          const Array c = noise({m, n}, 4, dtype, Layout::padded);
          std::vector<double> want(static_cast<size_t>(m * n), 0);
          for (int64_t i = 0; i < m * n; ++i) {
            double& sum = want[static_cast<size_t>(i)];
            if (start == Start::accumulate) sum = c.get(i);
            if (start == Start::bias) sum = bias.get(i % n);
            for (int64_t p = 0; p < k; ++p) sum += a.get(i / n * k + p) * b.get(p * n + i % n);
          }
          cpu::gemm(m, n, k, matrix<T>(a), matrix<T>(b), c.data<T>(), c.view.strides[0], start == Start::accumulate,
                    start == Start::bias ? bias.data<T>() : nullptr);
          SCOPED_TRACE(fmt::format("{} x {} x {}, layouts {} {}, start {}", m, n, k, int(la), int(lb), int(start)));
          expect_close(c.values(), want, tolerance);
        }
      }
    }
  }
}

TEST(Gemm, BeginsWithWhatIsThereOrABiasOrNothing) {
  expect_definition<float>(f32, 2 * tolerance(f32));
  expect_definition<double>(f64, tolerance(f64));
}

}  // namespace
}  // namespace fovea::test
