#include "fovea/backends/cpu/math.h"

#include <bit>
#include <cmath>
#include <limits>

#include "backends/array.h"
#include "fovea/backends/cpu/simd.h"

namespace fovea {
namespace {

using test::Array;

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Distance of `got` from the exact value in units in the last place of an f32 of its size.
double ulps(float got, double exact) {
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : 1e30;
  const float rounded = static_cast<float>(exact);
  if (got == rounded) return 0;
  if (std::isinf(got) || std::isinf(rounded)) {
    // Off by one place at the end of the range.
    const float finite = std::isinf(got) ? rounded : got;
    return std::abs(finite) == std::numeric_limits<float>::max() ? 1 : 1e30;
  }
  const double place = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
  return std::abs(static_cast<double>(got) - exact) / place;
}

void apply(Op op, DType compute, const std::vector<const View*>& inputs, const Array& out) {
  Program program;
  program.inputs = static_cast<int>(inputs.size());
  Instruction last{.op = op};
  for (uint16_t i = 0; i < inputs.size(); ++i) {
    program.code.push_back({.op = Op::input, .index = i});
    last.operands[i] = i;
  }
  program.code.push_back(last);
  program.outputs = {{.value = static_cast<uint16_t>(inputs.size())}};
  const View* output = &out.view;
  test::cpu().map({program, compute, out.view.shape, inputs, {&output, 1}, {}});
}

/// Floats of all exponents and signs with different mantissas, and the special ones.
Array all_sorts() {
  std::vector<double> values;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 5003) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (float value :
       {0.0f,   1.0f,        0x1p-126f,   0x1p-149f, 3.4e38f, infinity, NAN,  88.7228f, 88.73f, 103.97f,  104.0f,
        87.34f, 3.14159274f, 1.57079637f, 12000.5f,  1e10f,   0.55f,    1.2f, 3.93f,    40.0f,  2.0f / 3, 4.0f / 3}) {
    values.push_back(value);
    values.push_back(-value);
  }
  return test::from({static_cast<int64_t>(values.size())}, values);
}

struct Function {
  Op op;
  double most_ulps;
  double (*exact)(double);
};

void PrintTo(const Function& function, std::ostream* stream) { *stream << name(function.op); }

const Function functions[] = {
    {Op::exp, 1, [](double x) { return std::exp(x); }},
    {Op::expm1, 2, [](double x) { return std::expm1(x); }},
    {Op::log, 1, [](double x) { return std::log(x); }},
    {Op::log1p, 2, [](double x) { return std::log1p(x); }},
    {Op::sin, 2, [](double x) { return std::sin(x); }},
    {Op::cos, 2, [](double x) { return std::cos(x); }},
    {Op::tanh, 2, [](double x) { return std::tanh(x); }},
    {Op::sigmoid, 2, [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }},
    {Op::erf, 2, [](double x) { return std::erf(x); }},
    {Op::softplus, 2,
     [](double x) { return x > 0    ? x + std::log1p(std::exp(-x))
                           : x <= 0 ? std::log1p(std::exp(x))
                                    : x; }},
    {Op::sqrt, 0.5, [](double x) { return std::sqrt(x); }},
    {Op::rsqrt, 2, [](double x) { return 1 / std::sqrt(x); }},
    {Op::reciprocal, 0.5, [](double x) { return 1 / x; }},
    {Op::square, 0.5, [](double x) { return x * x; }},
    {Op::neg, 0, [](double x) { return -x; }},
    {Op::abs, 0, [](double x) { return std::abs(x); }},
    {Op::sign, 0, [](double x) { return x > 0   ? 1
                                        : x < 0 ? -1
                                                : x; }},
    {Op::relu, 0, [](double x) { return x < 0 ? 0 : x; }},
    {Op::floor, 0, [](double x) { return std::floor(x); }},
    {Op::ceil, 0, [](double x) { return std::ceil(x); }},
    {Op::round, 0, [](double x) { return std::nearbyint(x); }},
    {Op::isnan, 0, [](double x) { return std::isnan(x) ? 1.0 : 0.0; }},
    {Op::logical_not, 0, [](double x) { return x == 0 ? 1.0 : 0.0; }},
};

class Functions : public testing::TestWithParam<Function> {};

TEST_P(Functions, AreAccurateInF32) {
  const Array x = all_sorts(), y = test::make(x.view.shape);
  apply(GetParam().op, f32, {&x.view}, y);
  double worst = 0;
  // Better targets have lower bits. Without fused multiply-adds polynomials round more often.
  const bool fused = (cpu::simd_targets() & (HWY_SSE4 - 1)) != 0;
  const double most = GetParam().most_ulps == 1 && !fused ? 1.1 : GetParam().most_ulps;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double error = ulps(y.data<float>()[i], GetParam().exact(x.get(i)));
    ASSERT_LE(error, most) << name(GetParam().op) << " of " << x.get(i) << " is " << y.get(i);
    worst = std::max(worst, error);
  }
  RecordProperty("worst_ulps", fmt::format("{:.3f}", worst));
}

TEST_P(Functions, AreAccurateInF64) {
  Array x = test::make({20000}, f64), y = test::make({20000}, f64);
  for (int64_t i = 0; i < x.numel(); ++i) x.set(i, (i % 2 ? 1 : -1) * std::exp2(static_cast<double>(i) / 1000 - 12));
  apply(GetParam().op, f64, {&x.view}, y);
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double want = GetParam().exact(x.get(i)), got = y.get(i);
    if (got == want || (std::isnan(want) && std::isnan(got))) continue;
    ASSERT_LE(std::abs(got - want), 1e-15 * std::abs(want)) << name(GetParam().op) << " of " << x.get(i);
  }
}

TEST_P(Functions, DoNotDependOnTheNeighbours) {
  // The same arguments one at a time, at another place of a vector and beside special values.
  const float arguments[] = {0.3f, -1.7f, 5.0f, -90.0f, 100.0f, 20000.0f, 1e-40f, 0.0f, -0.0f};
  for (float argument : arguments) {
    Array one = test::full({1}, argument), alone = test::make({1});
    apply(GetParam().op, f32, {&one.view}, alone);
    Array many = test::make({71}), together = test::make({71});
    for (int64_t i = 0; i < 71; ++i) many.set(i, i % 3 ? argument : i % 2 ? infinity : -1e-42);
    apply(GetParam().op, f32, {&many.view}, together);
    for (int64_t i = 0; i < 71; ++i) {
      if (i % 3 == 0) continue;
      EXPECT_EQ(std::bit_cast<uint32_t>(together.data<float>()[i]), std::bit_cast<uint32_t>(alone.data<float>()[0]))
          << argument << " at " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Math, Functions, testing::ValuesIn(functions),
                         [](const auto& info) { return std::string(name(info.param.op)); });

TEST(Math, PowIsAccurate) {
  std::vector<double> x, y;
  for (float base : {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, -2.0f, 3.0f, -3.5f, 1e-40f, -1e-40f, 1e30f, infinity, -infinity,
                     static_cast<float>(NAN), 0.999f, 1.001f}) {
    for (float exponent : {0.0f, 1.0f, -1.0f, 2.0f, 3.0f, -3.0f, 0.5f, -0.5f, 2.5f, 1e10f, -1e10f, 16777217.0f,
                           infinity, -infinity, static_cast<float>(NAN), 80.0f, -80.0f}) {
      x.push_back(base);
      y.push_back(exponent);
    }
  }
  for (int i = 0; i < 200000; ++i) {
    x.push_back(std::exp2((i % 509) * 0.25 - 64) * (1 + i * 3e-6));
    y.push_back((i % 977) * 0.025 - 12);
  }
  const int64_t n = static_cast<int64_t>(x.size());
  const Array base = test::from({n}, x), exponent = test::from({n}, y), out = test::make({n});
  apply(Op::pow, f32, {&base.view, &exponent.view}, out);
  for (int64_t i = 0; i < n; ++i) {
    const double want = std::pow(base.get(i), exponent.get(i));
    ASSERT_LE(ulps(out.data<float>()[i], want), 1) << base.get(i) << " to the " << exponent.get(i);
  }
}

TEST(Math, Atan2IsAccurate) {
  std::vector<double> y, x;
  const auto add = [&](double a, double b) {
    for (const double sign : {1.0, -1.0}) {
      for (const auto& [p, q] : {std::pair{sign * a, b}, std::pair{sign * a, -b}, std::pair{b, sign * a}}) {
        y.push_back(static_cast<float>(p));
        x.push_back(static_cast<float>(q));
      }
    }
  };
  const double greatest = std::numeric_limits<float>::max();
  const std::vector<double> special{0, 1, 0.41421357, 1e-40, 1e-30, 3e37, 2e38, greatest, infinity, NAN};
  for (const double a : special) {
    for (const double b : special) add(a, b);
  }
  for (int i = 0; i < 50000; ++i) {
    add(std::exp2((i % 509) * 0.25 - 64) * (1 + i * 3e-6), std::exp2((i % 509) * 0.25 - 64 + (i % 83) * 0.07 - 3));
  }
  const auto n = static_cast<int64_t>(x.size());
  const Array of_y = test::from({n}, y), of_x = test::from({n}, x), out = test::make({n});
  apply(Op::atan2, f32, {&of_y.view, &of_x.view}, out);
  for (int64_t i = 0; i < n; ++i) {
    const double want = std::atan2(of_y.get(i), of_x.get(i));
    ASSERT_LE(ulps(out.data<float>()[i], want), 2) << of_y.get(i) << " over " << of_x.get(i) << " is " << out.get(i);
    if (std::isnan(want)) continue;
    ASSERT_EQ(std::signbit(out.get(i)), std::signbit(want)) << of_y.get(i) << " over " << of_x.get(i);
  }
}

TEST(Math, ComparisonsAndLogicOfSpecialValues) {
  const std::vector<double> values = {0.0, -0.0, 1, -1, infinity, -infinity, NAN, 1e-40};
  std::vector<double> x, y;
  for (double a : values) {
    for (double b : values) {
      x.push_back(a);
      y.push_back(b);
    }
  }
  const int64_t n = static_cast<int64_t>(x.size());
  for (DType dtype : {f32, f64}) {
    const Array a = test::from({n}, x, dtype), b = test::from({n}, y, dtype), out = test::make({n}, dtype);
    const auto check = [&](Op op, auto want) {
      apply(op, dtype, {&a.view, &b.view}, out);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(out.get(i), want(a.get(i), b.get(i)) ? 1 : 0) << name(op) << " " << a.get(i) << " " << b.get(i);
      }
    };
    check(Op::eq, [](double p, double q) { return p == q; });
    check(Op::ne, [](double p, double q) { return p != q; });
    check(Op::lt, [](double p, double q) { return p < q; });
    check(Op::le, [](double p, double q) { return p <= q; });
    check(Op::gt, [](double p, double q) { return p > q; });
    check(Op::ge, [](double p, double q) { return p >= q; });
    check(Op::logical_and, [](double p, double q) { return p != 0 && q != 0; });
    check(Op::logical_or, [](double p, double q) { return p != 0 || q != 0; });
  }
}

TEST(Math, ErfEndsAtOne) {
  for (double from : {3.93, 4.0, 6.0, 1e4, 1e30, std::numeric_limits<double>::infinity()}) {
    const Array x = test::full({40}, -from), out = test::make({40});
    apply(Op::erf, f32, {&x.view}, out);
    EXPECT_EQ(out.values(), std::vector<double>(40, -1)) << from;
  }
}

TEST(Math, FusedMultiplyAdd) {
  const Array a = test::noise({1000}, 1), b = test::noise({1000}, 2), c = test::noise({1000}, 3);
  const Array out = test::make({1000});
  apply(Op::fma, f32, {&a.view, &b.view, &c.view}, out);
  for (int64_t i = 0; i < 1000; ++i) {
    // Rounded once or twice, as the machine likes.
    const double product = a.get(i) * b.get(i);
    EXPECT_NEAR(out.get(i), product + c.get(i), 0x1p-24 * (std::abs(product) + std::abs(product + c.get(i))));
  }
}

TEST(Math, ArraysOfEveryLength) {
  for (int64_t n : {0, 1, 3, 15, 16, 17, 63, 64, 65, 100, 1000, 4097, 10001}) {
    const Array x = test::noise({n}, 4), y = test::make({n}), z = test::noise({n}, 5);
    const Array x64 = test::noise({n}, 4, f64), y64 = test::make({n}, f64), z64 = test::noise({n}, 5, f64);
    double sum = 0, sum_exp = 0, dot = 0, magnitude = 0, greatest = -infinity;
    for (int64_t i = 0; i < n; ++i) {
      sum += x.get(i);
      sum_exp += std::exp(x.get(i) - 0.5);
      dot += x.get(i) * z.get(i);
      magnitude += std::abs(x.get(i));
      greatest = std::max(greatest, x.get(i));
    }
    EXPECT_NEAR(cpu::sum(x.data<float>(), n), sum, 1e-6 * magnitude);
    EXPECT_NEAR(cpu::sum(x64.data<double>(), n), sum, 1e-7 * magnitude);
    EXPECT_NEAR(cpu::dot(x.data<float>(), z.data<float>(), n), dot, 1e-6 * magnitude);
    EXPECT_NEAR(cpu::dot(x64.data<double>(), z64.data<double>(), n), dot, 1e-7 * magnitude);
    EXPECT_EQ(cpu::maximum(x.data<float>(), n), static_cast<float>(greatest));
    EXPECT_NEAR(cpu::sum_exp(x.data<float>(), 0.5f, n), sum_exp, 1e-6 * sum_exp);
    EXPECT_NEAR(cpu::sum_exp(x64.data<double>(), 0.5, n), sum_exp, 1e-7 * sum_exp);
    EXPECT_NEAR(cpu::exp_shifted(x.data<float>(), 0.5f, y.data<float>(), n), sum_exp, 1e-6 * sum_exp);
    EXPECT_NEAR(cpu::exp_shifted(x64.data<double>(), 0.5, y64.data<double>(), n), sum_exp, 1e-7 * sum_exp);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_LE(ulps(y.data<float>()[i], std::exp(static_cast<double>(x.data<float>()[i] - 0.5f))), 1);
      ASSERT_NEAR(y64.get(i), std::exp(x64.get(i) - 0.5), 1e-15);
    }
  }
}

TEST(Math, ExponentialsBesideOnesThatVanish) {
  // Lanes of one vector take different ways: those that are masked, those that vanish by themselves, subnormal results, NaN.
  for (float other : {-infinity, -104.5f, -1e30f, -103.0f, -90.0f, 89.0f, infinity, NAN}) {
    for (int64_t every : {1, 2, 7, 16, 100}) {
      std::vector<double> values;
      for (int64_t i = 0; i < 100; ++i) values.push_back(i % every == every - 1 ? other : 0.37 * double(i % 41) - 7);
      const Array x = test::from({100}, values), y = test::make({100});
      cpu::exp_shifted(x.data<float>(), 0.0f, y.data<float>(), 100);
      for (int64_t i = 0; i < 100; ++i) ASSERT_LE(ulps(y.data<float>()[i], std::exp(x.get(i))), 1) << x.get(i);
    }
  }
}

TEST(Math, MaximumOfNothingAndOfNaN) {
  EXPECT_EQ(cpu::maximum(static_cast<const float*>(nullptr), 0), -infinity);
  Array x = test::noise({100}, 1);
  for (int64_t at : {int64_t{0}, int64_t{50}, int64_t{99}}) {
    Array y = test::noise({100}, 1);
    y.set(at, NAN);
    EXPECT_TRUE(std::isnan(cpu::maximum(y.data<float>(), 100)));
  }
}

}  // namespace
}  // namespace fovea
