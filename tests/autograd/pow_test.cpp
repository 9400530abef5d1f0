#include <cmath>
#include <limits>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"

// The exponents 2 and 3 are products.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, PowEqualsTheStandardLibrarys) {
  const std::vector<float> bases{0, -0.0f, 1, -1, 0.3f, -2.5f, 1e13f, -1e20f, 1e-20f, INFINITY, -INFINITY, NAN};
  const Tensor x = from_vector(bases, device());
  for (const double exponent : {2.0, 3.0, 1.0, 0.0, 4.0, -2.0, -3.0}) {
    SCOPED_TRACE(exponent);
    const std::vector<float> got = pow(x, exponent).to_vector<float>();
    for (size_t i = 0; i < bases.size(); ++i) {
      const float want = std::pow(bases[i], static_cast<float>(exponent));
      if (std::abs(want) > 0 && std::abs(want) < std::numeric_limits<float>::min()) continue;  // devices may flush it
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got[i])) << bases[i];
      } else if (std::isinf(want) || want == 0) {
        EXPECT_EQ(got[i], want) << bases[i];
        EXPECT_EQ(std::signbit(got[i]), std::signbit(want)) << bases[i];
      } else {
        EXPECT_NEAR(got[i] / want, 1, 1e-6) << bases[i];
      }
    }
  }
}

TEST_P(OnEveryDevice, PowRefusesWholeNumbersWithAnyExponent) {
  const Tensor x = from_vector({3, -4}, device());
  for (const double exponent : {2.0, 3.0, 5.0}) EXPECT_ERROR(pow(x, exponent), "pow: needs a floating dtype, not i32");
}

TEST_P(OnEveryDevice, PowIsDifferentiatedAtZeroAndBelow) {
  const Tensor x = from_vector(std::vector<float>{0, -2, 3}, device());
  for (const double n : {2.0, 3.0}) {
    Tensor at = x.clone().set_requires_grad();
    const Tensor slope = autograd::grad({pow(at, n)}, {at}, {ones({3}, options())}, {.create_graph = true})[0];
    const Tensor bend = autograd::grad({slope}, {at}, {ones({3}, options())})[0];
    for (int64_t i = 0; i < 3; ++i) {
      const auto value = static_cast<double>(x.to_vector<float>()[static_cast<size_t>(i)]);
      EXPECT_NEAR(slope.to_vector<float>()[static_cast<size_t>(i)], n * std::pow(value, n - 1), 1e-5);
      EXPECT_NEAR(bend.to_vector<float>()[static_cast<size_t>(i)], n * (n - 1) * std::pow(value, n - 2), 1e-5);
    }
  }
}

TEST(Pow, NamesAnUndefinedTensor) { EXPECT_ERROR(pow(Tensor(), 2), "pow: "); }

}  // namespace
}  // namespace fovea::test
