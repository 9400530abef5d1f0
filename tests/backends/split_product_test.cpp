#include "fovea/backends/cpu/split_product.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <new>

#include "backends/array.h"

namespace fovea::test {
namespace {

/// Products by matrix tiles, where this processor has them.
class SplitProduct : public testing::Test {
 protected:
  static constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN(),
                         greatest = std::numeric_limits<float>::max();

  static cpu::Matrix<float> matrix(const Array& x) { return {x.data<float>(), x.view.strides[0], x.view.strides[1]}; }

  void SetUp() override {
    if (!cpu::splits_product(48, 48, 32)) GTEST_SKIP() << "this processor has no matrix tiles for bf16 (AMX)";
  }

  static Array product(const Array& a, const Array& b, const Array& start, bool accumulate, const float* bias) {
    const int64_t m = a.view.shape[0], k = a.view.shape[1], n = b.view.shape[1];
    Array out = make({m, n}, f32);
    for (int64_t i = 0; i < out.numel(); ++i) out.set(i, start.get(i));
    cpu::split_product(m, n, k, matrix(a), matrix(b), out.data<float>(), n, accumulate, bias);
    return out;
  }
};

TEST_F(SplitProduct, ErrsLessThanSumsOfFloats) {
  for (const auto& [m, n, k] : {std::tuple{1, 1, 32},
                                {16, 16, 32},
                                {17, 33, 40},
                                {31, 15, 64},
                                {5, 700, 100},
                                {130, 290, 515},
                                {64, 257, 1030},
                                {300, 48, 33}}) {
    for (Layout la : {Layout::dense, Layout::transposed}) {
      for (Layout lb : {Layout::dense, Layout::transposed}) {
        for (int mode = 0; mode < 3; ++mode) {
          SCOPED_TRACE(fmt::format("{} x {} x {}, layouts {} {}, {}", m, n, k, int(la), int(lb), mode));
          const Array a = noise({m, k}, 1, f32, la), b = noise({k, n}, 2, f32, lb), start = noise({m, n}, 3),
                      bias = noise({n}, 4);
          const Array got = product(a, b, start, mode == 1, mode == 2 ? bias.data<float>() : nullptr);
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
              double want = mode == 1 ? start.get(i * n + j) : mode == 2 ? bias.get(j) : 0, terms = std::abs(want);
              for (int64_t p = 0; p < k; ++p) {
                const double term = a.get(i * k + p) * b.get(p * n + j);
                want += term;
                terms += std::abs(term);
              }
              ASSERT_NEAR(got.get(i * n + j), want, terms * 0x1p-22) << i << ", " << j;
            }
          }
        }
      }
    }
  }
}

TEST_F(SplitProduct, TinyNumbersLeaveTheirNeighboursAlone) {
  const int64_t m = 50, n = 40, k = 96;
  const Array a = noise({m, k}, 1), b = noise({k, n}, 2);
  for (int64_t i = 0; i < m * k; ++i) {
    // Down to the least subnormal number, and numbers of any size beside it.
    if (i % 3 != 0) a.set(i, std::ldexp(a.get(i), -static_cast<int>(i % 149)));
  }
  for (int64_t i = 0; i < k * n; i += 5) b.set(i, std::ldexp(b.get(i), -100 - static_cast<int>(i % 49)));
  const Array got = product(a, b, make({m, n}, f32), false, nullptr);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double want = 0, terms = 0;
      for (int64_t p = 0; p < k; ++p) {
        const double term = a.get(i * k + p) * b.get(p * n + j);
        want += term;
        terms += std::abs(term);
      }
      ASSERT_NEAR(got.get(i * n + j), want, terms * 0x1p-22 + k * 0x1p-120) << i << ", " << j;
    }
  }
}

TEST_F(SplitProduct, IsExactForNumbersOfSixteenBits) {
  const int64_t n = 40;
  Array a = make({n, n}, f32), b = make({n, n}, f32);
  for (int64_t i = 0; i < n * n; ++i) {
    a.set(i, static_cast<double>((i * 7919) % 65536 - 32768));
    b.set(i, i / n == i % n ? 255 : 0);
  }
  const Array got = product(a, b, a, false, nullptr);
  for (int64_t i = 0; i < n * n; ++i) EXPECT_EQ(got.get(i), a.get(i) * 255);
}

// As with f32's own instructions, which multiply and add each term for itself.
TEST_F(SplitProduct, InfinitiesAndNotNumbersGoWhereFloatsTakeThem) {
  const int64_t m = 35, n = 50, k = 70;
  for (const float odd : {inf, -inf, nan, greatest, -greatest}) {
    for (const float other : {1.0f, 0.0f, -3.0f, inf, greatest}) {
      for (bool accumulate : {false, true}) {
        SCOPED_TRACE(fmt::format("{} and {}{}", odd, other, accumulate ? ", added" : ""));
        Array a = noise({m, k}, 1), b = noise({k, n}, 2), start = noise({m, n}, 3);
        a.set(3 * k + 5, odd);                                                   // one number among others
        a.set(20 * k + 69, odd);                                                 // in the last place
        b.set(40 * n + 7, odd);                                                  // a column
        b.set(5 * n + 49, other);                                                // meets the first
        for (int64_t p = 0; p < k; ++p) a.set(33 * k + p, p == 40 ? other : 0);  // meets the column alone
        start.set(34 * n + 1, -inf);
        const Array got = product(a, b, start, accumulate, nullptr);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            float want = 0;
            for (int64_t p = 0; p < k; ++p)
              want = std::fma(static_cast<float>(a.get(i * k + p)), static_cast<float>(b.get(p * n + j)), want);
            if (accumulate) want += static_cast<float>(start.get(i * n + j));
            const auto made = static_cast<float>(got.get(i * n + j));
            ASSERT_EQ(std::isnan(made), std::isnan(want)) << i << ", " << j << ": " << made << " " << want;
            if (std::isinf(want)) {
              ASSERT_EQ(made, want) << i << ", " << j;
            }
            if (std::isfinite(want)) {
              ASSERT_NEAR(made, want, std::max(1e-4f, std::abs(want) * 0x1p-20f)) << i << ", " << j;
            }
          }
        }
      }
    }
  }
}

// A multiply-add rounds once, so what overflows first decides; products of parts would overflow to both sides.
TEST_F(SplitProduct, OverflowsToInfinityAsFloatsDo) {
  const int64_t m = 50, n = 48, k = 70;
  for (const double scale : {0x1p61, 1e25, 1e30, 1e36}) {
    for (const bool both : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", scale, both));
      const Array a = noise({m, k}, 1), b = noise({k, n}, 2);
      for (int64_t i = 0; i < a.numel(); ++i) a.set(i, a.get(i) * scale);
      for (int64_t i = 0; i < b.numel() && both; ++i) b.set(i, b.get(i) * scale);
      const Array got = product(a, b, make({m, n}, f32), false, nullptr);
      for (int64_t i = 0; i < m * n; ++i) {
        float want = 0;
        double terms = 0;
        for (int64_t p = 0; p < k; ++p) {
          const double x = a.get(i / n * k + p), y = b.get(p * n + i % n);
          want = std::fma(static_cast<float>(x), static_cast<float>(y), want);
          terms += std::abs(x * y);
        }
        const auto made = static_cast<float>(got.get(i));
        if (std::isinf(want)) {
          ASSERT_EQ(made, want) << i;
        } else {
          ASSERT_NEAR(made, want, terms * 0x1p-20) << i;
        }
      }
    }
  }
}

TEST_F(SplitProduct, OneInfinityAloneStaysInItsLine) {
  const int64_t m = 64, n = 64, k = 40;
  for (const int64_t line : {0, 15, 16, 31, 32, 63}) {
    for (const float odd : {inf, nan, std::bit_cast<float>(0x7f800001u)}) {  // the last: a NaN by its lowest bit alone
      for (bool left : {true, false}) {
        SCOPED_TRACE(fmt::format("{} in {} {}", odd, left ? "row" : "column", line));
        const Array a = full({m, k}, 2), b = full({k, n}, 1);
        (left ? a.data<float>()[line * k + 33] : b.data<float>()[33 * n + line]) = odd;
        const Array got = product(a, b, make({m, n}, f32), false, nullptr);
        for (int64_t i = 0; i < m * n; ++i) {
          if ((left ? i / n : i % n) != line) {
            ASSERT_EQ(got.get(i), 2.0 * k) << i;
          } else {
            ASSERT_EQ(std::isnan(got.get(i)), std::isnan(odd)) << i;
            ASSERT_FALSE(std::isfinite(got.get(i))) << i;
          }
        }
      }
    }
  }
}

TEST_F(SplitProduct, HasTheSameBytesInPieces) {
  const int64_t m = 83, n = 300, k = 700;
  Array a = noise({m, k}, 1), b = noise({k, n}, 2);
  a.set(17 * k + 600, inf);
  b.set(30 * n + 20, nan);
  const Array whole = product(a, b, make({m, n}, f32), false, nullptr);
  for (const auto& [rows, columns] : {std::pair{1, 300}, {7, 11}, {83, 64}, {40, 299}}) {
    const Array pieces = make({m, n}, f32);
    for (int64_t i = 0; i < m; i += rows) {
      for (int64_t j = 0; j < n; j += columns) {
        cpu::split_product(std::min<int64_t>(rows, m - i), std::min<int64_t>(columns, n - j), k, matrix(a).at(i, 0),
                           matrix(b).at(0, j), pieces.data<float>() + i * n + j, n, false, nullptr);
      }
    }
    EXPECT_EQ(pieces.bytes(), whole.bytes()) << rows << " x " << columns;
  }
}

TEST_F(SplitProduct, OfAnOperandPackedWholeIsTheSame) {
  for (const auto& [n, k] : {std::pair{5, 33}, {300, 1100}, {256, 512}, {513, 64}}) {
    const int64_t m = 41;
    const Array a = noise({m, k}, 1), b = noise({k, n}, 2, f32, Layout::transposed), start = noise({m, n}, 3);
    const Array want = product(a, b, start, true, nullptr), got = noise({m, n}, 3);
    struct Free {
      void operator()(float* x) const { ::operator delete(x, std::align_val_t(64)); }
    };
    const auto words = static_cast<size_t>(cpu::packed_for_split_product(n, k));
    const std::unique_ptr<float, Free> packed(
        static_cast<float*>(::operator new(words * sizeof(float), std::align_val_t(64))));
    cpu::pack_for_split_product(n, k, matrix(b), packed.get());
    cpu::split_product(m, n, k, matrix(a), packed.get(), got.data<float>(), n, true, nullptr);
    EXPECT_EQ(got.bytes(), want.bytes()) << n << " x " << k;
  }
}

}  // namespace
}  // namespace fovea::test
