#include "fovea/backends/cpu/bf16_product.h"

#include <gtest/gtest.h>

#include "backends/array.h"
#include "backends/bf16_unit.h"

namespace fovea::test {
namespace {

class Bf16Product : public NeedsBf16 {
 protected:
  static Array rounded(const Array& x) {
    Array copy = make(x.view.shape, bf16);
    for (int64_t i = 0; i < x.numel(); ++i) copy.set(i, x.get(i));
    return copy;
  }
  /// a [m, k] b [k, n], added up in f64.
  static std::vector<double> sums(const Array& a, const Array& b) {
    const int64_t m = a.view.shape[0], k = a.view.shape[1], n = b.view.shape[1];
    const std::vector<double> left = a.values(), right = b.values();
    std::vector<double> out(static_cast<size_t>(m * n));
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t j = 0; j < n; ++j)
          out[static_cast<size_t>(i * n + j)] +=
              left[static_cast<size_t>(i * k + p)] * right[static_cast<size_t>(p * n + j)];
      }
    }
    return out;
  }
  static void expect_product(int64_t m, int64_t n, int64_t k, Layout la, Layout lb) {
    SCOPED_TRACE(fmt::format("{} x {} x {}, layouts {} {}", m, n, k, int(la), int(lb)));
    const Array a = noise({m, k}, 1, f32, la), b = noise({k, n}, 2, f32, lb);
    const Array small_a = noise({m, k}, 1, bf16, la), small_b = noise({k, n}, 2, bf16, lb);
    const std::vector<double> want = sums(rounded(a), rounded(b));
    const Array of_floats = full({m, n}, 3, f32, Layout::padded), of_small = full({m, n}, 3);
    cpu().matmul({.a = a, .b = b, .out = of_floats, .bf16_operands = true});
    cpu().matmul({.a = small_a, .b = small_b, .out = of_small});
    expect_close(of_floats.values(), want, 1e-5);
    expect_close(of_small.values(), want, 1e-5);
  }
};

TEST_F(Bf16Product, EqualsTheDefinitionForEveryShapeAndLayout) {
  const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 33, 64};
  for (int64_t m : sizes) {
    for (int64_t n : sizes) {
      for (int64_t k : sizes) {
        for (Layout la : {Layout::dense, Layout::transposed, Layout::stepped}) {
          for (Layout lb : {Layout::dense, Layout::transposed, Layout::stepped}) expect_product(m, n, k, la, lb);
        }
      }
    }
  }
}

TEST_F(Bf16Product, ProductsOfSeveralBlocksEqualTheDefinition) {
  for (const auto& [m, n, k] : {std::tuple{101, 1050, 650}, {259, 40, 1100}, {1040, 33, 31}}) {
    for (Layout la : {Layout::dense, Layout::transposed}) {
      for (Layout lb : {Layout::dense, Layout::transposed}) expect_product(m, n, k, la, lb);
    }
  }
}

TEST_F(Bf16Product, TakesBatchesAndBias) {
  const Array a = noise({3, 40, 50}, 1), b = noise({3, 50, 60}, 2), bias = noise({60}, 3), out = make({3, 40, 60});
  const Array rounded_a = rounded(a), rounded_b = rounded(b), want = make({3, 40, 60});
  cpu().matmul({.a = a, .b = b, .out = out, .bias = &bias, .bf16_operands = true});
  Array wide_a = make({3, 40, 50}), wide_b = make({3, 50, 60});
  for (int64_t i = 0; i < wide_a.numel(); ++i) wide_a.set(i, rounded_a.get(i));
  for (int64_t i = 0; i < wide_b.numel(); ++i) wide_b.set(i, rounded_b.get(i));
  cpu().matmul({.a = wide_a, .b = wide_b, .out = want, .bias = &bias});
  expect_close(out.values(), want.values(), 1e-5);
}

TEST_F(Bf16Product, HoldsInfinitiesAndNotNumbers) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Array a = from({3, 2}, {inf, 1, nan, 1, -inf, 0}), b = from({2, 1}, {2, 3}), out = make({3, 1});
  cpu().matmul({.a = a, .b = b, .out = out, .bf16_operands = true});
  EXPECT_EQ(out.get(0), inf);
  EXPECT_TRUE(std::isnan(out.get(1)));
  EXPECT_EQ(out.get(2), -inf);
}

TEST_F(Bf16Product, GivesTheSameBytesOnAnyNumberOfThreads) {
  for (const auto& [m, n, k] : {std::tuple{515, 390, 900}, {700, 1300, 1100}}) {
    const Array a = noise({m, k}, 1), b = noise({k, n}, 2, f32, Layout::transposed);
    expect_same_bytes_on_any_threads([&, m = m, n = n] {
      const Array out = make({m, n});
      cpu().matmul({.a = a, .b = b, .out = out, .bf16_operands = true});
      return std::vector{out};
    });
  }
}

}  // namespace
}  // namespace fovea::test
