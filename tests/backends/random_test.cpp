#include <gtest/gtest.h>

#include <numbers>

#include "backends/array.h"
#include "fovea/backends/philox.h"
#include "fovea/backends/normal.h"

namespace fovea::test {
namespace {

using Distribution = RandomCall::Kind;

Array draw(int64_t count, Distribution kind, uint64_t seed, uint64_t offset, DType dtype) {
  const Array out = make({count}, dtype);
  cpu().random({.out = out, .kind = kind, .seed = seed, .offset = offset});
  return out;
}

std::vector<uint32_t> words(int64_t count, uint64_t seed, uint64_t offset) {
  const Array bits = draw(count, Distribution::bits, seed, offset, i32);
  return {bits.data<uint32_t>(), bits.data<uint32_t>() + count};
}

// Known answers published with the generator (Random123, kat_vectors).
TEST(Random, GivesPhiloxsPublishedWords) {
  using Words = std::array<uint32_t, 4>;
  constexpr uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  EXPECT_EQ(words(4, 0, 0), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

// The same generator, written from the paper's definition with 64-bit halves.
std::array<uint32_t, 4> reference(uint64_t seed, uint64_t counter) {
  uint64_t a = counter & 0xffffffff, b = counter >> 32, c = 0, d = 0;
  uint64_t key_low = seed & 0xffffffff, key_high = seed >> 32;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p = 0xD2511F53 * a, q = 0xCD9E8D57 * c;
    a = (q >> 32) ^ b ^ key_low;
    b = q & 0xffffffff;
    c = (p >> 32) ^ d ^ key_high;
    d = p & 0xffffffff;
    key_low = (key_low + 0x9E3779B9) & 0xffffffff;
    key_high = (key_high + 0xBB67AE85) & 0xffffffff;
  }
  return {static_cast<uint32_t>(a), static_cast<uint32_t>(b), static_cast<uint32_t>(c), static_cast<uint32_t>(d)};
}

TEST(Random, ElementIComesFromCounterOffsetPlusIOver4) {
  for (uint64_t seed : {uint64_t{0}, uint64_t{1234567890123456789u}}) {
    for (uint64_t offset : {uint64_t{0}, uint64_t{5}, uint64_t{0xfffffffe}, ~uint64_t{2}}) {
      for (int64_t count : {0, 1, 3, 17, 64, 65, 130, 40003}) {
        const std::vector<uint32_t> got = words(count, seed, offset);
        for (int64_t i = 0; i < count; ++i)
          ASSERT_EQ(got[static_cast<size_t>(i)],
                    reference(seed, offset + static_cast<uint64_t>(i / 4))[static_cast<size_t>(i % 4)]);
      }
    }
  }
}

TEST(Random, FloatsFollowTheFormulas) {
  for (int64_t count : {1, 2, 65, 1003}) {
    const std::vector<uint32_t> bits = words(count + 1, 42, 7);
    for (DType dtype : {f32, f64, f16, bf16}) {
      const Array uniform = draw(count, Distribution::uniform, 42, 7, dtype),
                  normal = draw(count, Distribution::normal, 42, 7, dtype);
      for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(i), even = at & ~size_t{1};
        const double want = (bits[at] >> 8) * 0x1p-24;
        ASSERT_NEAR(uniform.get(i), want, dtype == f16 ? 0x1p-11 : dtype == bf16 ? 0x1p-8 : 0);
        ASSERT_LT(uniform.get(i), 1);
        const double u = ((bits[even] >> 8) + 1) * 0x1p-24, v = (bits[even + 1] >> 8) * 0x1p-24;
        const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
        ASSERT_NEAR(normal.get(i), radius * (i % 2 ? std::sin(angle) : std::cos(angle)),
                    dtype == f64   ? 1e-14
                    : dtype == f32 ? 4e-6
                    : dtype == f16 ? 2e-3
                                   : 2e-2);
      }
    }
  }
}

// Vectors of blocks and what is left behind them, bit for bit.
TEST(Random, FloatsAreThoseOfTheirWordsAlone) {
  for (int64_t count : {1, 2, 3, 15, 31, 32, 33, 63, 64, 65, 16384, 16387, 200001}) {
    for (uint64_t offset : {uint64_t{7}, uint64_t{0xfffffffe}, ~uint64_t{2}}) {
      const std::vector<uint32_t> bits = words(count + 1, 42, offset);
      const Array uniform = draw(count, Distribution::uniform, 42, offset, f32),
                  normal = draw(count, Distribution::normal, 42, offset, f32);
      for (int64_t i = 0; i < count; ++i) {
        const auto at = static_cast<size_t>(i), even = at & ~size_t{1};
        ASSERT_EQ(uniform.data<float>()[i], static_cast<float>(bits[at] >> 8) * 0x1p-24f);
        ASSERT_EQ(std::bit_cast<uint32_t>(normal.data<float>()[i]),
                  std::bit_cast<uint32_t>(normal_pair(bits[even], bits[even + 1])[at & 1]))
            << i << " of " << count;
      }
    }
  }
}

TEST(Random, UniformStaysBelowOneInShortTypes) {
  for (DType dtype : {f16, bf16}) {
    const Array out = draw(100000, Distribution::uniform, 3, 0, dtype);
    for (int64_t i = 0; i < out.numel(); ++i) ASSERT_LT(out.get(i), 1);
  }
}

TEST(Random, NormalHasMeanZeroAndVarianceOne) {
  const Array out = draw(200000, Distribution::normal, 11, 0, f32);
  double sum = 0, squares = 0, fourths = 0;
  for (double x : out.values()) sum += x, squares += x * x, fourths += x * x * x * x;
  EXPECT_NEAR(sum / 200000, 0, 0.01);
  EXPECT_NEAR(squares / 200000, 1, 0.015);
  EXPECT_NEAR(fourths / 200000, 3, 0.1);
}

TEST(Random, GivesTheSameBytesOnAnyNumberOfThreads) {
  expect_same_bytes_on_any_threads([] { return std::vector{draw(100003, Distribution::normal, 9, 3, f32)}; });
}

}  // namespace
}  // namespace fovea::test
