#include "fovea/backends/cpu/tile_strips.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/array.h"
#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/tile_product.h"

namespace fovea::test {
namespace {

class TileStrips : public testing::Test {
 protected:
  void SetUp() override {
    if (cpu::bf16_unit() != cpu::Bf16Unit::tiles || cpu::vector_lanes() != 16)
      GTEST_SKIP() << "this processor has no matrix tiles for bf16 (AMX)";
  }

  static constexpr int64_t gap = 3;  // behind each row of a result

  /// a [m, k] b [k, n] + the addend by strips, rows n + gap apart. b_is_turned: its columns lie side by side in memory, else
  /// its rows.
  template <int parts>
  static std::vector<float> product(const Array& a, const Array& b, int64_t m, int64_t n, int64_t k, bool b_is_turned,
                                    cpu::Addend addend) {
    using Word = cpu::TileWord<parts>;
    struct alignas(64) Block {
      Word words[16];
    };
    const auto room = [](int64_t words) { return std::vector<Block>(static_cast<size_t>(words / 16)); };
    const int64_t strip = Word::strip(k), strips = (n + 15) / 16;
    auto rows = room(strip), columns = room(strips * strip);
    cpu::pack_strip(a.data<float>(), k, 1, m, k, false, rows[0].words);
    for (int64_t j = 0; j < n; j += 16) {
      const float* from = b.data<float>() + (b_is_turned ? j * k : j);
      cpu::pack_strip(from, b_is_turned ? k : 1, b_is_turned ? 1 : n, std::min<int64_t>(16, n - j), k, true,
                      columns[0].words + j / 16 * strip);
    }
    std::vector<float> c(static_cast<size_t>(m * (n + gap)), 77);
    const cpu::TileUse use;
    cpu::multiply_strips(m, n, k, rows[0].words, columns[0].words, addend, c.data(), n + gap);
    return c;
  }
};

TEST_F(TileStrips, AddProductsOfAnySizeToWhatIsGiven) {
  for (const int64_t m : {1, 5, 16}) {
    for (const int64_t n : {1, 16, 17, 32, 40, 48, 63, 64}) {
      for (const int64_t k : {1, 31, 32, 33, 200}) {
        const Array a = noise({m, k}, 1), b = noise({k, n}, 2), turned = make({n, k}, f32), start = noise({m, n}, 3);
        for (int64_t i = 0; i < k * n; ++i) turned.set(i % n * k + i / n, b.get(i));
        for (const cpu::Addend addend : {cpu::Addend{nullptr, 0}, {start.data<float>(), 0}, {start.data<float>(), n}}) {
          SCOPED_TRACE(fmt::format("{} x {} x {}, addend {} {}", m, n, k, addend.data != nullptr, addend.row));
          const auto exact = product<3>(a, b, m, n, k, false, addend);
          const auto rounded = product<1>(a, b, m, n, k, false, addend);
          EXPECT_EQ(exact, product<3>(a, turned, m, n, k, true, addend));
          EXPECT_EQ(rounded, product<1>(a, turned, m, n, k, true, addend));
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n + gap; ++j) {
              const auto at = static_cast<size_t>(i * (n + gap) + j);
              if (j >= n) {
                ASSERT_EQ(exact[at], 77);
                ASSERT_EQ(rounded[at], 77);
                continue;
              }
              const double begins = addend.data ? addend.at(i, j).data[0] : 0;
              double sum = begins, terms = std::abs(begins), of_rounded = begins;
              for (int64_t p = 0; p < k; ++p) {
                const double x = a.get(i * k + p), y = b.get(p * n + j);
                sum += x * y;
                terms += std::abs(x * y);
                const auto bf16 = [](double value) {
                  return static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(value))));
                };
                of_rounded += bf16(x) * bf16(y);
              }
              ASSERT_NEAR(exact[at], sum, terms * 0x1p-21) << i << ", " << j;
              ASSERT_NEAR(rounded[at], of_rounded, terms * 0x1p-18) << i << ", " << j;
            }
          }
        }
      }
    }
  }
}

TEST_F(TileStrips, InfinitiesGoWhereFloatsTakeThemAndNowhereElse) {
  const int64_t m = 16, n = 64, k = 40;
  const float inf = std::numeric_limits<float>::infinity();
  for (const float odd : {inf, -inf, std::nanf("")}) {
    for (const bool left : {true, false}) {
      for (const int64_t line : {0, 15, 16, 47, 63}) {
        if (left && line >= m) continue;
        SCOPED_TRACE(fmt::format("{} in {} {}", odd, left ? "row" : "column", line));
        const Array a = full({m, k}, 2), b = full({k, n}, 1), start = full({m, n}, 3);
        (left ? a.data<float>()[line * k + 33] : b.data<float>()[33 * n + line]) = odd;
        const auto got = product<3>(a, b, m, n, k, false, {start.data<float>(), n});
        for (int64_t i = 0; i < m * n; ++i) {
          const float made = got[static_cast<size_t>(i / n * (n + gap) + i % n)];
          if ((left ? i / n : i % n) != line) {
            ASSERT_EQ(made, 2.0f * k + 3) << i;
          } else {
            ASSERT_TRUE(std::isnan(odd) ? std::isnan(made) : made == odd) << i << ": " << made;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
