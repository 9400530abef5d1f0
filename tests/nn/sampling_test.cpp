#include "fovea/nn/sampling.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "support/expect.h"

namespace fovea::test {
namespace {

using nn::sample;
using nn::SamplingOptions;
using ::testing::Each;
using ::testing::ElementsAre;

/// How often each token is drawn in so many rows of the same logits, as a share.
std::vector<double> shares(const std::vector<double>& logits, const SamplingOptions& options) {
  constexpr int64_t rows = 20000;
  Generator generator{.seed = 8};
  const auto width = static_cast<int64_t>(logits.size());
  const Tensor all = from_vector(logits, {1, width}).expand({rows, width});
  std::vector<double> share(logits.size());
  for (const int32_t token : sample(all, options, generator)) share[static_cast<size_t>(token)] += 1.0 / rows;
  return share;
}

std::vector<double> logs(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return p;
}

void expect_shares(const std::vector<double>& got, const std::vector<double>& want) {
  for (size_t i = 0; i < want.size(); ++i) {
    if (want[i] == 0) {
      EXPECT_EQ(got[i], 0) << i;
    } else {
      EXPECT_NEAR(got[i], want[i], 0.015) << i;  // more than four deviations
    }
  }
}

TEST(Sample, FollowsTheSoftmax) {
  expect_shares(shares(logs({0.1, 0.5, 0.4}), {}), {0.1, 0.5, 0.4});
  const double a = std::sqrt(0.1), b = std::sqrt(0.5), c = std::sqrt(0.4), sum = a + b + c;
  expect_shares(shares(logs({0.1, 0.5, 0.4}), {.temperature = 2}), {a / sum, b / sum, c / sum});
}

TEST(Sample, KeepsTheLikeliest) {
  const std::vector<double> p = logs({0.1, 0.4, 0.2, 0.3});
  expect_shares(shares(p, {.top_k = 2}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares(p, {.top_k = 9}), {0.1, 0.4, 0.2, 0.3});
  expect_shares(shares(p, {.top_p = 0.65}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares(p, {.top_p = 0.75}), {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  expect_shares(shares(p, {.top_p = 1e-9}), {0, 1, 0, 0});
  expect_shares(shares(p, {.top_k = 3, .top_p = 0.7}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares({1, 1, 1, 1}, {.top_k = 2}), {0.5, 0.5, 0, 0});
  expect_shares(shares({1, 1, 1, 1}, {.top_p = 0.5}), {0.5, 0.5, 0, 0});
}

TEST(Sample, OfTemperatureZeroIsTheLikeliest) {
  const Tensor logits = from_vector(std::vector<float>{0, 2, 1, 3, 3, -1}, {2, 3});
  EXPECT_THAT(sample(logits, {.temperature = 0}), ElementsAre(1, 0));
}

TEST(Sample, NeverTakesWhatCannotBe) {
  const double never = -std::numeric_limits<double>::infinity();
  expect_shares(shares({never, 0, never}, {}), {0, 1, 0});
  expect_shares(shares({0, never, 0, never}, {.temperature = 0.5}), {0.5, 0, 0.5, 0});
  expect_shares(shares({1e30, 0, 0}, {}), {1, 0, 0});
}

TEST(Sample, IsTheSameForTheSameSeed) {
  const Tensor logits = zeros({50, 100});
  const auto draw = [&](uint64_t seed) {
    Generator generator{.seed = seed};
    return sample(logits, {}, generator);
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Sample, NamesMisuse) {
  EXPECT_ERROR(sample(zeros({3})), "sample: logits [3] are not [batch, vocabulary] (sampling_test.cpp:");
  EXPECT_ERROR(sample(zeros({1, 0})), "sample: logits [1, 0] are not");
  EXPECT_ERROR(sample(zeros({1, 2}), {.temperature = -1}), "sample: temperature -1, top_k 0 and top_p 1 are not");
  EXPECT_ERROR(sample(zeros({1, 2}), {.temperature = INFINITY}),
               "sample: temperature inf, top_k 0 and top_p 1 are not");
  EXPECT_ERROR(sample(zeros({1, 2}), {.top_p = 0}), "sample: temperature 1, top_k 0 and top_p 0 are not");
  EXPECT_ERROR(sample(full({1, 2}, NAN)), "sample: row 0 of the logits has NaN in it");
  EXPECT_ERROR(sample(full({1, 2}, -INFINITY)), "sample: row 0 of the logits has no finite number in it");
}

}  // namespace
}  // namespace fovea::test
