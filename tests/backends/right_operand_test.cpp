#include "fovea/backends/cpu/right_operand.h"

#include <gtest/gtest.h>

#include "backends/array.h"
#include "backends/bf16_unit.h"

namespace fovea::test {
namespace {

template <class T>
cpu::Matrix<T> matrix(const Array& x) {
  return {x.data<T>(), x.view.strides[0], x.view.strides[1]};
}

/// The product with a right operand taken once and multiplied by a few rows at a time.
template <class T>
std::vector<double> in_turns(const Array& a, const Array& b, int64_t rows, bool bf16_operands) {
  using Result = typename cpu::RightOperand<T>::Result;
  const int64_t m = a.view.shape[0], k = a.view.shape[1], n = b.view.shape[1];
  const Array out = full({m, n}, 3, std::is_same_v<Result, double> ? f64 : f32);
  cpu::RightOperand<T> right;
  const uint64_t name = cpu::name_operands();
  for (int64_t i = 0; i < m; i += rows) {
    right.take(name, n, k, matrix<T>(b), bf16_operands);
    right.multiply(std::min(rows, m - i), matrix<T>(a).at(i, 0), out.data<Result>() + i * n, n, false);
  }
  return out.values();
}

template <class T>
void expect_same_as_whole(DType dtype, bool bf16_operands, double tolerance) {
  for (const auto& [m, n, k] :
       {std::tuple{40, 7, 0}, {1, 5, 9}, {33, 3, 70}, {70, 50, 33}, {41, 600, 520}, {67, 1100, 1030}}) {
    for (Layout la : {Layout::dense, Layout::transposed}) {
      for (Layout lb : {Layout::dense, Layout::transposed}) {
        SCOPED_TRACE(fmt::format("{} x {} x {}, layouts {} {}", m, n, k, int(la), int(lb)));
        const Array a = noise({m, k}, 1, dtype, la), b = noise({k, n}, 2, dtype, lb);
        const Array want = full({m, n}, 3, dtype == f64 ? f64 : f32);
        cpu().matmul({.a = a, .b = b, .out = want, .bf16_operands = bf16_operands});
        expect_close(in_turns<T>(a, b, 32, bf16_operands), want.values(), tolerance);
        expect_close(in_turns<T>(a, b, m, bf16_operands), want.values(), tolerance);
      }
    }
  }
}

TEST(RightOperand, GivesWhatTheProductGives) {
  expect_same_as_whole<float>(f32, false, 3 * tolerance(f32));  // OpenBLAS adds a thousand terms in another order
  expect_same_as_whole<double>(f64, false, tolerance(f64));
}

using RightOperandBf16 = NeedsBf16;

TEST_F(RightOperandBf16, GivesWhatTheProductGives) {
  expect_same_as_whole<float>(f32, true, 0);
  expect_same_as_whole<BFloat16>(bf16, false, 0);
}

TEST_F(RightOperandBf16, TakesAnotherToBeRounded) {
  const Array a = full({8, 30}, 1), b = full({30, 40}, 1 + 0x1p-12);
  cpu::RightOperand<float> right;
  const uint64_t name = cpu::name_operands();
  for (bool rounded : {false, true}) {
    const Array out = full({8, 40}, 0);
    right.take(name, 40, 30, matrix<float>(b), rounded);
    right.multiply(8, matrix<float>(a), out.data<float>(), 40, false);
    EXPECT_EQ(out.get(0) == 30, rounded);
  }
}

TEST(RightOperand, TakesAnotherUnderAnotherNameOrOfAnotherPlace) {
  const int64_t n = 40, k = 30;
  const Array a = full({8, k}, 1), b = full({k, 2 * n}, 2);
  const auto product = [&](const cpu::RightOperand<float>& right) {
    const Array out = full({8, n}, 0);
    right.multiply(8, matrix<float>(a), out.data<float>(), n, false);
    return out.get(0);
  };
  cpu::RightOperand<float> right;
  const uint64_t name = cpu::name_operands();
  right.take(name, n, k, matrix<float>(b), false);
  EXPECT_EQ(product(right), 60);
  for (int64_t i = 0; i < b.numel(); ++i) b.set(i, i % (2 * n) < n ? 3 : 4);
  right.take(name, n, k, matrix<float>(b).at(0, n), false);
  EXPECT_EQ(product(right), 120) << "another place";
  right.take(cpu::name_operands(), n, k, matrix<float>(b), false);
  EXPECT_EQ(product(right), 90) << "another name";
  const uint64_t last = cpu::name_operands();
  right.take(last, n, k / 2, matrix<float>(b), false);
  right.take(last, n, k, matrix<float>(b), false);
  EXPECT_EQ(product(right), 90) << "another depth";
}

}  // namespace
}  // namespace fovea::test
