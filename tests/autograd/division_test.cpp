#include <cmath>

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

// floor_divide and remainder, as Python has them.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, FloorDivideRoundsDown) {
  const Tensor a = from_vector({7, -7, 7, -7, 6, -6, 0, 1}, device()),
               b = from_vector({2, 2, -2, -2, 3, 3, 5, -9}, device());
  EXPECT_EQ(floor_divide(a, b).dtype(), i32);
  EXPECT_EQ(floor_divide(a, b).to_vector<int32_t>(), (std::vector<int32_t>{3, -4, -4, 3, 2, -2, 0, -1}));
  EXPECT_EQ((a % b).to_vector<int32_t>(), (std::vector<int32_t>{1, 1, -1, -1, 0, 0, 0, -8}));
  EXPECT_CLOSE(floor_divide(a.to(f32), b.to(f32)), {3, -4, -4, 3, 2, -2, 0, -1}, 0, 0);
  EXPECT_CLOSE(a.to(f32) % b.to(f32), {1, 1, -1, -1, 0, 0, 0, -8}, 0, 0);
  EXPECT_EQ((a % 3.0).to_vector<int32_t>(), (std::vector<int32_t>{1, 2, 1, 2, 0, 0, 0, 1}));
  EXPECT_EQ(floor_divide(100.0, b).to_vector<int32_t>(), (std::vector<int32_t>{50, 50, -50, -50, 33, 33, 20, -12}));
  const Tensor large = from_vector({2147483647, -2147483647, 2147483646}, device());
  EXPECT_EQ(floor_divide(large, 65536.0).to_vector<int32_t>(), (std::vector<int32_t>{32767, -32768, 32767}));
  EXPECT_EQ((large % 65536.0).to_vector<int32_t>(), (std::vector<int32_t>{65535, 1, 65534}));
}

TEST_P(OnEveryDevice, RemainderLiesBetweenZeroAndTheDivisor) {
  const Tensor a = random({4000}, options(), 1) * 100.0;
  for (const double b : {0.1, 0.7, 3.0, -0.3, -11.0}) {
    const std::vector<float> values = a.to_vector<float>(), rest = (a % b).to_vector<float>();
    const std::vector<float> quotients = floor_divide(a, b).to_vector<float>();
    const float divisor = static_cast<float>(b);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_GE(rest[i] / divisor, 0) << values[i] << ' ' << b;
      EXPECT_LE(rest[i] / divisor, 1) << values[i] << ' ' << b;
      EXPECT_NEAR(static_cast<double>(quotients[i]) * divisor + rest[i], values[i], 2e-5) << b;
    }
  }
}

TEST_P(OnEveryDevice, RemainderLiesThereWhereAQuotientHasNotTheDigits) {
  const std::vector<float> near = random({4000}, {}, 1).to_vector<float>(),
                           b = random({4000}, {}, 2).to_vector<float>();
  std::vector<float> a;
  for (size_t i = 0; i < near.size(); ++i) a.push_back(std::ldexp(near[i], static_cast<int>(i % 60)));
  const std::vector<float> rest = (from_vector(a, device()) % from_vector(b, device())).to_vector<float>();
  static const Elementwise left{"left", [](Expr q, Expr b, Expr a) { return -q * b + a; }};
  const Tensor almost_one = tensor({1 + 0x1p-12}, options());
  const bool rounds_once = left(almost_one, almost_one, tensor({1 + 0x1p-11}, options())).item() != 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_GE(rest[i] / b[i], 0) << a[i] << ' ' << b[i];
    EXPECT_LE(rest[i] / b[i], 1) << a[i] << ' ' << b[i];
    const float whole = std::fmod(a[i], b[i]);
    if (rounds_once && device() == Device::cpu()) {
      EXPECT_EQ(rest[i], whole != 0 && (whole < 0) != (b[i] < 0) ? whole + b[i] : whole) << a[i] << ' ' << b[i];
    }
  }
  const Tensor x = tensor({1e20}, options()).set_requires_grad(), y = tensor({3}, options()).set_requires_grad();
  (x % y).backward();
  EXPECT_CLOSE(x.grad(), {1}, 0, 0);
  EXPECT_CLOSE(y.grad(), {-1e20 / 3}, 1e-6, 0);  // as PyTorch's
  EXPECT_EQ((100.0 % from_vector({7, -7}, device())).to_vector<int32_t>(), (std::vector<int32_t>{2, -5}));
}

TEST(Remainder, OfF64LiesThereToo) {
  const Tensor a = tensor({1e40, -1e40, 1e25}, {f64}), b = tensor({3, 0.7, 0.1}, {f64});
  const std::vector<double> rest = (a % b).to_vector<double>();
  for (size_t i = 0; i < 3; ++i) {
    const double of = b.to_vector<double>()[i];
    EXPECT_TRUE(rest[i] >= 0 && rest[i] < of) << rest[i];
  }
}

TEST_P(OnEveryDevice, WhatIsLittleBelowZeroIsDividedToMinusOne) {
  const Tensor a = tensor({-1e-9, 1e-9, -1, 1e-9}, options()), b = tensor({1, -1, 1e30, 1}, options());
  EXPECT_CLOSE(floor_divide(a, b), {-1, -1, -1, 0}, 0, 0);
  EXPECT_CLOSE(a % b, std::vector<double>{1, -1, 1e30F, 1e-9F}, 0, 0);
}

TEST(FloorDivide, IsExactWhereAQuotientRoundsUp) {
  // 1 / 0.1 rounds up to 10. Where products and sums are rounded once, quotient and remainder tell that it is less.
  const double quotient = floor_divide(tensor({1.0}, {f64}), 0.1).item(), rest = (tensor({1.0}, {f64}) % 0.1).item();
  EXPECT_TRUE(quotient == 9 || quotient == 10) << quotient;
  EXPECT_NEAR(rest, quotient == 9 ? 0.1 : 0.0, 1e-15);
  EXPECT_CLOSE(tensor({5, -5}) % INFINITY, {5, INFINITY});
  EXPECT_TRUE(std::isnan((tensor({5}) % 0.0).item()));
  EXPECT_EQ(floor_divide(tensor({5}), 0.0).item(), INFINITY);
}

// What PyTorch 2.15 gives.
TEST_P(OnEveryDevice, AnInfiniteNumberHasNoQuotient) {
  const double inf = INFINITY;
  EXPECT_CLOSE(floor_divide(tensor({inf, -inf, inf, inf, inf, 3, -3}, options()),
                            tensor({2, 2, -2, inf, 0, inf, inf}, options())),
               {NAN, NAN, NAN, NAN, inf, 0, -1});
}

TEST_P(OnEveryDevice, TheGradientOfARemainderPassesItsDividend) {
  const Tensor a = tensor({7, -7, 2, 2}, options()).set_requires_grad();
  const Tensor b = tensor({2, 2, 0, NAN}, options()).set_requires_grad();
  sum(a % b).backward();
  EXPECT_CLOSE(a.grad(), {1, 1, 1, 1});
  EXPECT_CLOSE(b.grad(), {-3, 4, -INFINITY, NAN});
}

TEST(FloorDivide, NamesWhatItCannotDo) {
  EXPECT_ERROR(floor_divide(from_vector({1}), 0.0), "floor_divide: whole numbers divided by 0 (division_test.cpp:");
  EXPECT_ERROR(from_vector({1}) % 0.0, "remainder: whole numbers divided by 0 (division_test.cpp:");
  EXPECT_ERROR(from_vector({1}) / 2.0,
               "div: needs a floating dtype, not i32; convert with .to(f32), or use floor_divide");
  EXPECT_ERROR(from_vector({1}) % 0.5, "remainder: 0.5 is no i32 number");
}

}  // namespace
}  // namespace fovea::test
