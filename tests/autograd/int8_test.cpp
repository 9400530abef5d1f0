#include "fovea/autograd/int8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/backends/int8_matrix.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Int8, RoundsEachRowByItsGreatestNumber) {
  const Int8Rows rows = to_int8(from_vector(std::vector<float>{127, -63.6f, 0, -1, 0.25f, 1, 0, 0, 0}, {3, 3}));
  EXPECT_EQ(rows.shape, (Shape{3, 3}));
  const float scale = 0x1.04p-7f;  // the least of bf16 from 1/127 on
  EXPECT_THAT(rows.values, ElementsAre(127, -64, 0, -126, 32, 126, 0, 0, 0));
  EXPECT_THAT(rows.scales, ElementsAre(1, scale, 0));
  EXPECT_THAT(from_int8(rows).to_vector<float>(),
              ElementsAre(127, -64, 0, -126 * scale, 32 * scale, 126 * scale, 0, 0, 0));
}

TEST(Int8, HalfAStepIsTheMostThatANumberIsOff) {
  for (const float size : {1e-30f, 1.0f, 3e38f}) {
    const Tensor x = (rand({200, 9}) * 2 - 1) * size;
    const Int8Rows rows = to_int8(x);
    const auto exact = x.to_vector<float>(), near = from_int8(rows).to_vector<float>();
    for (size_t i = 0; i < exact.size(); ++i) {
      const float scale = rows.scales[i / 9];
      EXPECT_EQ(static_cast<float>(BFloat16(scale)), scale);
      EXPECT_LE(std::fabs(exact[i] - near[i]), 0.5001f * scale);
      EXPECT_LE(std::abs(rows.values[i]), 127);
    }
  }
}

TEST(Int8, TakesAnyNumberOfAxesAndNoRows) {
  EXPECT_EQ(to_int8(randn({3, 2, 4})).scales.size(), 3u);
  EXPECT_EQ(from_int8(to_int8(zeros({0, 4}))).shape(), (Shape{0, 4}));
  EXPECT_EQ(from_int8(to_int8(zeros({4, 0}))).shape(), (Shape{4, 0}));
}

TEST(Int8, RefusesWhatHasNoNearestNumber) {
  EXPECT_ERROR(to_int8(zeros({})), "to_int8: a scalar has no rows (int8_test.cpp:");
  EXPECT_ERROR(to_int8(zeros({2}, {.dtype = f64})), "to_int8: needs f32, not f64; convert with .to(f32)");
  EXPECT_ERROR(to_int8(from_vector(std::vector<float>{1, INFINITY}, {1, 2})), "to_int8: inf among the numbers");
  EXPECT_ERROR(multiply_in_int8(zeros({2, 3}), to_int8(zeros({3, 2}))),
               "multiply_in_int8: numbers of [3, 2] for a weight [2, 3]");
}

/// What Int8Matrix promises, number by number.
std::vector<float> naive(const std::vector<float>& x, const Int8Rows& w, const std::vector<float>& bias) {
  const size_t rows = w.scales.size(), columns = w.values.size() / rows;
  std::vector<float> y;
  for (size_t i = 0; i < x.size(); i += columns) {
    float greatest = 0;
    for (size_t k = 0; k < columns; ++k) greatest = std::max(greatest, std::fabs(x[i + k]));
    const float scale = greatest / 127, factor = scale > 0 ? 1 / scale : 0;
    for (size_t n = 0; n < rows; ++n) {
      int64_t sum = 0;
      for (size_t k = 0; k < columns; ++k) sum += std::lrint(x[i + k] * factor) * w.values[n * columns + k];
      y.push_back(static_cast<float>(sum) * (scale * w.scales[n]) + (bias.empty() ? 0 : bias[n]));
    }
  }
  return y;
}

TEST(Int8, MatrixMultipliesWholeNumbersExactly) {
  for (const auto& [count, columns, rows] :
       {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {4, 16, 16}, {5, 33, 65}, {9, 130, 81}, {2, 70000 / 4, 3}}) {
    SCOPED_TRACE(fmt::format("{} {} {}", count, columns, rows));
    const auto x = randn({count, columns}).to_vector<float>(), bias = randn({rows}).to_vector<float>();
    const Int8Rows w = to_int8(randn({rows, columns}));
    const Int8Matrix matrix(w.values, w.scales);
    std::vector<float> y(static_cast<size_t>(count * rows));
    matrix.multiply(x.data(), bias.data(), y.data(), count);
    EXPECT_EQ(y, naive(x, w, bias));
    matrix.multiply(x.data(), nullptr, y.data(), count);
    EXPECT_EQ(y, naive(x, w, {}));
  }
}

TEST(Int8, MatrixOfTheGreatestNumbersDoesNotOverflow) {
  const std::vector<int8_t> values(static_cast<size_t>(Int8Matrix::most_columns), -127);
  const std::vector<float> x(values.size(), 2), scale{1};
  float y;
  Int8Matrix(values, scale).multiply(x.data(), nullptr, &y, 1);
  EXPECT_FLOAT_EQ(y, -127.0f * 2 * static_cast<float>(values.size()));
}

TEST(Int8, ARowThatIsNotFiniteStaysSo) {
  for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const size_t place : {0, 17}) {
      std::vector<float> x(2 * 20, 1.0f), y(2 * 3);
      x[place] = odd;
      const Int8Rows w = to_int8(randn({3, 20}));
      Int8Matrix(w.values, w.scales).multiply(x.data(), nullptr, y.data(), 2);
      for (size_t i = 0; i < 6; ++i) EXPECT_EQ(std::isnan(y[i]), i < 3) << i;
    }
  }
}

class Int8Linear : public testing::Test {
 protected:
  Int8Rows rows = to_int8(randn({70, 40}));
  Tensor weight = from_int8(rows), bias = randn({70}), x = randn({3, 11, 40});
  void SetUp() override {
    if (!Int8Matrix::pays()) GTEST_SKIP() << "skipped: a CPU on which products of 8 bits do not pay";
    ASSERT_TRUE(multiply_in_int8(weight, rows));
  }
};

TEST_F(Int8Linear, MultipliesInEightBitsWithoutAGraph) {
  const Tensor exact = linear(x, from_int8(rows), bias);
  const NoGrad off;
  const Tensor y = linear(x, weight, bias);
  EXPECT_EQ(y.shape(), (Shape{3, 11, 70}));
  EXPECT_EQ(y.to_vector<float>(), naive(x.to_vector<float>(), rows, bias.to_vector<float>()));
  EXPECT_NE(y.to_vector<float>(), exact.to_vector<float>());
  EXPECT_EQ(linear(x, weight).to_vector<float>(), naive(x.to_vector<float>(), rows, {}));
  EXPECT_EQ(linear(x.slice(0, 0, 0), weight, bias).shape(), (Shape{0, 11, 70}));
  const Tensor turned = randn({40, 5}).mT();
  EXPECT_EQ(linear(turned, weight).to_vector<float>(), naive(turned.to_vector<float>(), rows, {}));
}

TEST_F(Int8Linear, MultipliesFloatsWhereAGradientMayFlowOrTheWeightHasChanged) {
  const auto exact = linear(x, from_int8(rows), bias).to_vector<float>();
  EXPECT_EQ(linear(x, weight, bias).to_vector<float>(), exact);
  const NoGrad off;
  weight.mul_(1);
  EXPECT_EQ(linear(x, weight, bias).to_vector<float>(), exact);
}

TEST(Int8, SmallMatricesStayFloats) {
  for (const Shape& shape : {Shape{4, 100}, Shape{100, 4}}) {
    const Int8Rows rows = to_int8(randn(shape));
    EXPECT_FALSE(multiply_in_int8(from_int8(rows), rows));
  }
}

}  // namespace
}  // namespace fovea::test
