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

}  // namespace
}  // namespace fovea
