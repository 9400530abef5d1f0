#include "fovea/data/scaler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/backends/normal.h"
#include "fovea/data/random_stream.h"

namespace fovea::data {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Skewed numbers with many equal ones among them.
std::vector<double> some_numbers(size_t count) {
  std::vector<double> numbers;
  for (size_t i = 0; i < count; ++i) {
    const auto draw = philox(3, i, 0);
    numbers.push_back(draw[0] % 4 == 0 ? 5 : std::exp(static_cast<double>(draw[1]) / 4e8));
  }
  return numbers;
}

TEST(NormalQuantile, InvertsTheDistributionFunction) {
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-12);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-11);
  EXPECT_NEAR(normal_quantile(1e-4), -3.719016485455709, 1e-11);
}

TEST(Scaler, StandardHasMeanZeroAndDeviationOne) {
  const std::vector<double> numbers = some_numbers(500);
  const Scaler scaler = Scaler::fit(numbers, Scaling::standard);
  double sum = 0, squares = 0;
  for (const double x : numbers) {
    sum += scaler(x);
    squares += scaler(x) * scaler(x);
  }
  EXPECT_NEAR(sum / 500, 0, 1e-10);
  EXPECT_NEAR(squares / 500, 1, 1e-10);
}

TEST(Scaler, QuantileGivesEachNumberTheNormalQuantileOfItsMiddleRank) {
  const std::vector<double> numbers = some_numbers(500);
  const Scaler scaler = Scaler::fit(numbers, Scaling::quantile);
  for (const double x : numbers) {
    const auto below = std::count_if(numbers.begin(), numbers.end(), [&](double y) { return y < x; });
    const auto equal = std::count(numbers.begin(), numbers.end(), x);
    const double share = (static_cast<double>(below) + static_cast<double>(equal) / 2) / 500;
    EXPECT_NEAR(scaler(x), normal_quantile(share), 1e-9);
  }
}

TEST(Scaler, QuantileRisesAndStaysWithinItsEnds) {
  for (const size_t count : {2u, 37u, 20000u}) {  // the last has more distinct numbers than knots
    const std::vector<double> numbers = some_numbers(count);
    const Scaler scaler = Scaler::fit(numbers, Scaling::quantile);
    std::vector<double> sorted = numbers;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 1; i < count; ++i) EXPECT_LE(scaler(sorted[i - 1]), scaler(sorted[i]) + 1e-12);
    EXPECT_EQ(scaler(-1e300), scaler(sorted.front()));
    EXPECT_EQ(scaler(1e300), scaler(sorted.back()));
    EXPECT_LT(scaler(1e300), 4);
  }
}

TEST(Scaler, ConstantsAndNothingBecomeZero) {
  for (const Scaling scaling : {Scaling::standard, Scaling::quantile}) {
    const Scaler constant = Scaler::fit(std::vector<double>(7, 0.1), scaling);
    EXPECT_EQ(constant(0.1), 0);
    EXPECT_EQ(constant(99), 0);
  }
  EXPECT_EQ(Scaler::fit({}, Scaling::quantile)(3), 0);
  const std::vector<double> odd{1, infinity, 3, std::nan("")};
  EXPECT_DOUBLE_EQ(Scaler::fit(odd, Scaling::standard)(3), 1);
}

TEST(Scaler, SurvivesItsParameters) {
  const std::vector<double> numbers = some_numbers(60);
  for (const Scaling scaling : {Scaling::standard, Scaling::quantile}) {
    const Scaler scaler = Scaler::fit(numbers, scaling);
    const Scaler again = Scaler::from_parameters(scaling, scaler.parameters());
    for (const double x : {-3.0, 0.5, 2.0, 5.0, 17.0, 1e9}) EXPECT_EQ(again(x), scaler(x));
  }
  EXPECT_THROW(Scaler::from_parameters(Scaling::standard, std::vector<double>{1}), ValueError);
  EXPECT_THROW(Scaler::from_parameters(Scaling::quantile, std::vector<double>{2, 1, 0, 0}), ValueError);
  EXPECT_THROW(Scaler::from_parameters(Scaling::quantile, std::vector<double>{1, 2, 0}), ValueError);
}

}  // namespace
}  // namespace fovea::data
