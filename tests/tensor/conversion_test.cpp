#include <bit>
#include <cmath>
#include <random>

#include "fovea/autograd/graph.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

constexpr DType all_dtypes[] = {f32, f64, f16, bf16, i32, boolean};

/// What becomes of a small number on its way into a dtype.
double stored(double value, DType dtype) {
  if (dtype == i32) return std::trunc(value);
  if (dtype == boolean) return value != 0;
  return value;
}

TEST(Conversion, WorksBetweenAllTypes) {
  // Exact in every floating type; bool and i32 take what they can hold.
  const std::vector<double> values{0, 1, -1, 0.5, -2.75, 96, 1e-2 * 0 + 0.015625};
  for (const DType from : all_dtypes) {
    std::vector<double> held;
    for (double value : values) held.push_back(stored(value, from));
    const Tensor x = from_vector(values).to(from);
    ASSERT_EQ(x.dtype(), from);
    EXPECT_CLOSE(x, held);
    for (const DType to : all_dtypes) {
      std::vector<double> expected;
      for (double value : held) expected.push_back(stored(value, to));
      for (const auto& [layout, y] : test::layouts_of(x)) {
        const Tensor converted = y.to(to);
        EXPECT_EQ(converted.dtype(), to);
        EXPECT_TRUE(test::close(converted, expected)) << name(from) << " to " << name(to) << ", " << layout;
      }
    }
  }
}

TEST(Conversion, IsTheTensorItselfWhereNothingChanges) {
  const Tensor x = zeros({2});
  EXPECT_EQ(x.to(f32).impl(), x.impl());
  EXPECT_EQ(x.to(Device::cpu()).impl(), x.impl());
}

TEST(Conversion, KeepsWhatFloatsCannotHold) {
  EXPECT_EQ(tensor({16777217}, {i32}).to(f64).item(), 16777217);
  EXPECT_EQ(tensor({1e-300}, {f64}).to(boolean).item<bool>(), true) << "must not pass through f32";
  EXPECT_EQ(tensor({123456789}, {i32}).to(f64).to(i32).item<int32_t>(), 123456789);
  EXPECT_TRUE(std::isnan(tensor({NAN}, {f64}).to(f16).item()));
  EXPECT_TRUE(std::isnan(tensor({NAN}, {f64}).to(bf16).item()));
  EXPECT_EQ(tensor({1e10}).to(f16).item(), INFINITY);
  EXPECT_EQ(tensor({-1e39}, {f64}).to(f32).item(), -INFINITY);
  EXPECT_TRUE(std::signbit(tensor({-0.0}).to(f16).item()));
}

/// Rounds to the nearest of a type's non-negative finite values, halves to the even pattern: by search in the list of
/// all values, so that nothing is taken from the conversion itself.
template <class T>
struct Nearest {
  std::vector<double> values;  // by bit pattern

  explicit Nearest(uint32_t infinity) {
    for (uint32_t bits = 0; bits < infinity; ++bits) values.push_back(decode(static_cast<uint16_t>(bits)));
  }

  static double decode(uint16_t bits) {
    if constexpr (std::is_same_v<T, Half>) {
      const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
      return exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    } else {
      const int exponent = bits >> 7 & 255, mantissa = bits & 127;
      return exponent == 0 ? std::ldexp(mantissa, -133) : std::ldexp(128 + mantissa, exponent - 134);
    }
  }

  uint16_t operator()(double x) const {
    const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
    x = std::fabs(x);
    const auto above = std::lower_bound(values.begin(), values.end(), x);
    auto at = static_cast<uint32_t>(above - values.begin());
    // One past the greatest value stands infinity, at the distance that the next value would have.
    const double greatest = values.back(), gap = greatest - values[values.size() - 2];
    const double high = above == values.end() ? greatest + gap : *above;
    if (at > 0) {
      const double low = values[at - 1], down = x - low, up = high - x;
      if (down < up || (down == up && (at - 1) % 2 == 0)) --at;
    }
    return static_cast<uint16_t>(std::min<uint32_t>(at, static_cast<uint32_t>(values.size())) | sign);
  }
};

template <class T>
void check_rounding(const Nearest<T>& nearest, DType dtype) {
  std::vector<float> values;
  for (size_t i = 0; i + 1 < nearest.values.size(); i += 1 + i / 512) {
    const double low = nearest.values[i], high = nearest.values[i + 1], middle = (low + high) / 2;
    for (double x : {low, middle, high}) {
      const auto f = static_cast<float>(x);
      values.insert(values.end(), {f, -f, std::nextafter(f, 0.0f), std::nextafter(f, INFINITY)});
    }
  }
  const auto greatest = static_cast<float>(nearest.values.back());
  const double half_step = (nearest.values.back() - nearest.values[nearest.values.size() - 2]) / 2;
  const auto limit = static_cast<float>(nearest.values.back() + half_step);
  values.insert(values.end(), {greatest, limit, std::nextafter(limit, 0.0f), -limit, 1e-45f, 1e-10f, 1e-8f});
  std::mt19937 random(3);
  for (int i = 0; i < 20000; ++i) {
    const auto f = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(f)) values.push_back(f);
  }
  const Tensor rounded = from_vector(values).to(dtype);
  const T* made = rounded.view().data<T>();
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(made[i].bits, nearest(values[i])) << "of " << values[i];
    ASSERT_EQ(T(values[i]).bits, made[i].bits) << "the host's conversion of " << values[i];
  }
}

TEST(Conversion, RoundsToHalvesToNearestEven) { check_rounding(Nearest<Half>(0x7c00), f16); }
TEST(Conversion, RoundsToBrainFloatsToNearestEven) { check_rounding(Nearest<BFloat16>(0x7f80), bf16); }

TEST(Conversion, ReadsEveryHalf) {
  std::vector<Half> halves(65536);
  std::vector<BFloat16> brains(65536);
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    halves[bits].bits = static_cast<uint16_t>(bits);
    brains[bits].bits = static_cast<uint16_t>(bits);
  }
  const std::vector<float> from_half = from_vector(halves).to(f32).to_vector<float>();
  const std::vector<float> from_brain = from_vector(brains).to(f32).to_vector<float>();
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double sign = bits & 0x8000 ? -1 : 1;
    const auto magnitude = static_cast<uint16_t>(bits & 0x7fff);
    if (magnitude > 0x7c00) {
      ASSERT_TRUE(std::isnan(from_half[bits]));
    } else {
      ASSERT_EQ(from_half[bits], magnitude == 0x7c00 ? sign * INFINITY : sign * Nearest<Half>::decode(magnitude));
    }
    if (magnitude > 0x7f80) {
      ASSERT_TRUE(std::isnan(from_brain[bits]));
    } else {
      ASSERT_EQ(from_brain[bits], magnitude == 0x7f80 ? sign * INFINITY : sign * Nearest<BFloat16>::decode(magnitude));
    }
  }
}

TEST_P(OnEveryDevice, MovesBetweenDevices) {
  for (const DType dtype : {f32, f16, i32, boolean}) {
    const Tensor x = tensor({0, 1, 2, 3, 4, 5}, {dtype}).reshape({2, 3});
    for (const auto& [layout, y] : test::layouts_of(x)) {
      const Tensor moved = y.to(device());
      EXPECT_EQ(moved.device(), device());
      EXPECT_EQ(moved.dtype(), dtype);
      EXPECT_TRUE(test::close(moved.to(Device::cpu()), x)) << layout;
      EXPECT_TRUE(test::close(moved.mT().to(Device::cpu()), x.mT())) << layout;
    }
  }
  EXPECT_EQ(zeros({0, 3}).to(device()).shape(), (Shape{0, 3}));
}

TEST(Conversion, ReadsValuesAsAnyNumber) {
  const Tensor x = tensor({-1.75, 0, 3.5});
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{-1.75f, 0, 3.5f}));
  EXPECT_EQ(x.to_vector<int32_t>(), (std::vector<int32_t>{-1, 0, 3}));
  EXPECT_EQ(x.to_vector<int64_t>(), (std::vector<int64_t>{-1, 0, 3}));
  EXPECT_EQ(x.to_vector<bool>(), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(tensor({7}, {i32}).item<int64_t>(), 7);
  EXPECT_EQ(tensor({7}, {f16}).item<float>(), 7);
  EXPECT_EQ(tensor({7}, {i32}).item<uint8_t>(), 7);
  static_assert(HostElement<int64_t> && !HostElement<uint64_t> && !HostElement<Half> && !HostElement<std::string>,
                "no link error for what they do not give");
  EXPECT_ERROR(x.item(), "item: the tensor has 3 elements, not one: [3] (conversion_test.cpp:");
  EXPECT_ERROR(zeros({0}).item(), "item: the tensor has 0 elements, not one: [0] (conversion_test.cpp:");
}

TEST(Conversion, NamesAnAbsentDevice) {
  EXPECT_ERROR(zeros({1}).to(Device::vulkan(99)), "vulkan:99: ");
  EXPECT_ERROR(Device::parse("gpu"), "");
  EXPECT_EQ(Device::parse("cpu"), Device::cpu());
  EXPECT_EQ(Device::parse("vulkan:1"), Device::vulkan(1));
}

}  // namespace
}  // namespace fovea
