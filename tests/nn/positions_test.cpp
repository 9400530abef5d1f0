#include "fovea/nn/positions.h"

#include <cmath>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

TEST(Rotary, TurnsHalfPrecisionByTheSameAngles) {
  for (const DType dtype : {f16, bf16}) {
    Tensor x = test::random({1, 8, 4}).to(dtype).set_requires_grad();
    const Tensor y = nn::rotary(x, 3000);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_CLOSE(y.detach().to(f64), nn::rotary(x.detach().to(f64), 3000), 0.01, 0.01);
    y.backward(ones_like(y));
    EXPECT_EQ(x.grad().dtype(), dtype);
  }
}

TEST(Alibi, OfOddNumbersOfHeadsTakesSlopesBetweenThoseOfAPowerOfTwo) {
  // Press et al. 2022: of 6 heads the first four as of 4, then the first and the third as of 8.
  EXPECT_CLOSE(nn::alibi_bias(6, 2).select(-1, 1).reshape({6}), {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125}, 0, 0);
}

TEST(Alibi, SlopesStayExactInHalfPrecision) {
  // A key of 300 and the next have one slope in bf16, whose numbers there are two apart.
  manual_seed(2);
  nn::MultiheadAttention m(8, 2, {.alibi = true});
  m.to(bf16);
  m.eval();
  const NoGrad off;
  const Tensor x = test::random({1, 320, 8}).to(bf16);
  const Tensor got = m.forward(x, {.causal = true});
  const Attended weighed = m.forward_with_weights(x, x, x, {.causal = true});
  EXPECT_EQ(got.dtype(), bf16);
  EXPECT_EQ(weighed.weights.dtype(), bf16);
  m.to(f32);
  const Tensor want = m.forward(x.to(f32), {.causal = true});
  EXPECT_CLOSE(got.to(f32), want, 0, 0.005);
  EXPECT_CLOSE(weighed.read.to(f32), want, 0, 0.005);
}

TEST_P(OnEveryDevice, PositionsAreCaptured) {
  for (const DType dtype : {f32, f16, bf16}) {
    const auto step = [](const Tensor& x) {
      return std::array{nn::rotary(x, 3), x + nn::sinusoidal_positions(4, 6, 2, 10000, x.options()),
                        x + nn::alibi_bias(2, 6, x.options())};
    };
    auto captured = capture(step);
    for (int i = 0; i < 4; ++i) {
      const Tensor x = (test::random({3, 2, 4, 6}) * (i + 1.0)).to(dtype).to(device());
      const auto want = step(x), got = captured(x);
      for (size_t k = 0; k < want.size(); ++k) {
        EXPECT_EQ(got[k].to_vector<float>(), want[k].to_vector<float>()) << name(dtype) << " " << k;
      }
    }
    EXPECT_EQ(captured.stats().replays, 2u);
  }
}

TEST(RelativePositionBias, HasABucketPerDistance) {
  const nn::RelativePositionBias layer(2, {.num_buckets = 8, .max_distance = 6});
  const Tensor bias = layer.forward(3, 5, 2);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 5; ++j) {
      EXPECT_CLOSE(bias.select(2, j).select(1, i).detach(), layer.weight.select(0, layer.bucket(j - i - 2)).detach(), 0,
                   0);
    }
  }
  EXPECT_EQ(layer.forward(0, 4).shape(), (Shape{2, 0, 4}));
  EXPECT_EQ(layer.forward(4, 0).shape(), (Shape{2, 4, 0}));
}

TEST(RelativePositionBias, OfACausalOneTheFutureIsOneBucket) {
  const nn::RelativePositionBias layer(2, {.num_buckets = 8, .max_distance = 16, .causal = true});
  for (const int64_t distance : {0, 1, 7, 1000}) EXPECT_EQ(layer.bucket(distance), 0) << distance;
  // Half of them exact, the others by logarithms; the last for all that is far.
  const std::vector<std::pair<int64_t, int64_t>> past{{-1, 1}, {-3, 3}, {-4, 4}, {-5, 4}, {-8, 6}, {-15, 7}, {-99, 7}};
  for (const auto& [distance, bucket] : past) EXPECT_EQ(layer.bucket(distance), bucket) << distance;
}

TEST(LearnedPositions, RefusesPositionsThatItsTableHasNot) {
  const nn::LearnedPositions layer(4, 2);
  EXPECT_ERROR(layer.forward(ones({1, 3, 2}), 2),
               "LearnedPositions: 3 positions from 2 on of a table of 4 (positions_test.cpp:");
  EXPECT_ERROR(layer.forward(ones({1, 3, 2}), -1),
               "LearnedPositions: 3 positions from -1 on of a table of 4 (positions_test.cpp:");
}

TEST(Positions, RefuseWhatIsTooLarge) {
  constexpr int64_t huge = int64_t{1} << 61;
  EXPECT_ERROR(nn::sinusoidal_positions(huge, 8),
               "sinusoidal_positions: [2305843009213693952, 8] has too many elements");
  EXPECT_ERROR(nn::alibi_bias(huge, 8), "alibi_bias: [2305843009213693952, 1, 8] has too many elements (positions_");
  EXPECT_ERROR(nn::RelativePositionBias(2).forward(huge, 8),
               "RelativePositionBias: [2, 2305843009213693952, 8] has too");
  EXPECT_ERROR(nn::LearnedPositions(4, 2).forward(ones({1, 2, 2}), INT64_MAX),
               "LearnedPositions: 2 positions from 9223");
  EXPECT_EQ(nn::rotary(ones({2, 2}), INT64_MAX).shape(), (Shape{2, 2}));
}

}  // namespace
}  // namespace fovea
