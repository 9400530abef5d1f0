#include <cmath>
#include <limits>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using ConvolutionTest = VulkanTest;
using PoolTest = VulkanTest;
using Product = ConvolutionCall::Product;

struct ConvolutionCase {
  const char* name;
  int64_t batch, in, out, groups;
  int64_t size[2], kernel[2];
  WindowSteps steps = {};
};

const ConvolutionCase convolution_cases[] = {
    {"one of each", 1, 1, 1, 1, {1, 1}, {1, 1}},
    {"a point", 3, 10, 20, 1, {7, 9}, {1, 1}},
    {"three by three", 2, 9, 33, 1, {11, 13}, {3, 3}, {{1, 1}, {1, 1}, {1, 1}}},
    {"one channel to many", 2, 1, 40, 1, {28, 28}, {5, 5}},
    {"stride and dilation", 2, 8, 12, 1, {17, 15}, {3, 2}, {{2, 3}, {2, 1}, {2, 2}}},
    {"stride that leaves a rest", 1, 8, 8, 1, {10, 11}, {3, 3}, {{3, 2}, {0, 1}, {1, 1}}},
    {"groups", 2, 24, 16, 2, {8, 8}, {3, 3}, {{1, 1}, {1, 1}, {1, 1}}},
    {"narrow groups", 2, 12, 8, 4, {8, 6}, {3, 3}, {{2, 1}, {1, 1}, {1, 1}}},
    {"depthwise", 2, 6, 6, 6, {12, 10}, {3, 3}, {{1, 2}, {1, 1}, {1, 2}}},
    {"depthwise, two of each", 2, 3, 6, 3, {9, 9}, {3, 3}},
    {"a row", 3, 16, 16, 1, {1, 50}, {1, 5}, {{1, 1}, {0, 2}, {1, 1}}},
    {"a long sum", 4, 8, 8, 1, {32, 32}, {3, 3}, {{1, 1}, {1, 1}, {1, 1}}},
    {"nobody", 0, 3, 4, 1, {5, 5}, {3, 3}},
};

TEST_F(ConvolutionTest, AgreesWithTheCpu) {
  for (const ConvolutionCase& c : convolution_cases) {
    for (const Product product : {Product::y, Product::x, Product::weight}) {
      for (const bool biased : {false, true}) {
        if (biased && product != Product::y) continue;
        SCOPED_TRACE(fmt::format("{} {} {}", c.name, static_cast<int>(product), biased));
        const int64_t rows = c.steps.positions(0, c.size[0], c.kernel[0]),
                      columns = c.steps.positions(1, c.size[1], c.kernel[1]);
        const Array x = noise({c.batch, c.in, c.size[0], c.size[1]}, 1),
                    weight = noise({c.out, c.in / c.groups, c.kernel[0], c.kernel[1]}, 2),
                    y = noise({c.batch, c.out, rows, columns}, 3), bias = noise({c.out}, 4);
        const Mirror gx(x), gweight(weight), gy(y), gbias(bias);
        cpu().convolution({product, x, weight, y, biased ? &bias : nullptr, c.steps, c.groups});
        gpu().convolution({product, gx, gweight, gy, biased ? &gbias : nullptr, c.steps, c.groups});
        const double depth = static_cast<double>(product == Product::weight ? c.batch * rows * columns : 1);
        expect_same(gx, x, 1e-4);
        expect_same(gweight, weight, 1e-5 * std::max(10.0, std::sqrt(depth)));
        expect_same(gy, y, 1e-4);
      }
    }
  }
}

TEST_F(ConvolutionTest, LongSumsOfHalvesAreThoseOfFloats) {
  const Array x = noise({4, 3, 32, 32}, 1, f16), y = noise({4, 8, 30, 30}, 2, f16), weight = make({8, 3, 3, 3}, f16);
  const auto wide = [](const Array& narrow) { return from(narrow.view.shape, narrow.values()); };
  const Array wide_x = wide(x), wide_y = wide(y), want = make({8, 3, 3, 3});
  const Mirror gx(x), gy(y), gweight(weight);
  cpu().convolution({.product = Product::weight, .x = wide_x, .weight = want, .y = wide_y, .steps = {}});
  gpu().convolution({.product = Product::weight, .x = gx, .weight = gweight, .y = gy, .steps = {}});
  expect_same(gweight, want, tolerance(f16));
}

// A device that is taken for so slow that convolutions go in pieces.
TEST_F(ConvolutionTest, PiecesAgreeWithTheWhole) {
  vulkan::EngineOptions options;
  options.speed = 1e6;
  const vulkan::PhysicalDevice& physical = vulkan::instance().devices().front();
  vulkan::VulkanBackend fast(0, physical), slow(0, physical, options);
  const Array x = noise({4, 9, 20, 20}, 1), weight = noise({12, 9, 3, 3}, 2), y = noise({4, 12, 18, 18}, 3);
  for (const Product product : {Product::y, Product::x, Product::weight}) {
    SCOPED_TRACE(static_cast<int>(product));
    const Mirror whole[] = {Mirror(x, fast), Mirror(weight, fast), Mirror(y, fast)};
    const Mirror pieces[] = {Mirror(x, slow), Mirror(weight, slow), Mirror(y, slow)};
    fast.convolution({.product = product, .x = whole[0], .weight = whole[1], .y = whole[2], .steps = {}});
    const uint64_t before = slow.counters().dispatches;
    slow.convolution({.product = product, .x = pieces[0], .weight = pieces[1], .y = pieces[2], .steps = {}});
    EXPECT_GT(slow.counters().dispatches - before, 2u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(pieces[i].pull().values(), whole[i].pull().values());
  }
}

TEST_F(ConvolutionTest, OfNothingIsTheBias) {
  const Mirror x(make({2, 0, 3, 3})), weight(make({2, 0, 1, 1})), y(full({2, 2, 3, 3}, 7)), bias(from({2}, {4, 5}));
  gpu().convolution({.product = Product::y, .x = x, .weight = weight, .y = y, .bias = &bias, .steps = {}});
  const Array got = y.pull();
  EXPECT_EQ(got.get(0), 4);
  EXPECT_EQ(got.get(9), 5);
  EXPECT_EQ(got.get(35), 5);
  gpu().convolution({.product = Product::y, .x = x, .weight = weight, .y = y, .steps = {}});
  EXPECT_EQ(y.pull().get(20), 0);
}

TEST_F(PoolTest, AgreesWithTheCpu) {
  struct Window {
    int64_t size[2], kernel[2];
    WindowSteps steps;
  };
  const Window windows[] = {
      {{8, 8}, {2, 2}, {{2, 2}, {0, 0}}},  {{9, 7}, {3, 2}, {{2, 1}, {1, 1}}},   {{5, 5}, {5, 5}, {{1, 1}, {2, 2}}},
      {{1, 31}, {1, 3}, {{1, 2}, {0, 1}}}, {{10, 10}, {2, 3}, {{3, 4}, {0, 0}}},
  };
  for (const Window& w : windows) {
    for (const bool greatest : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {} {}", w.size[0], w.kernel[0], greatest));
      const Shape windows_shape{2, 3, w.steps.positions(0, w.size[0], w.kernel[0]),
                                w.steps.positions(1, w.size[1], w.kernel[1])};
      const Array x = noise({2, 3, w.size[0], w.size[1]}, 1), out = make(windows_shape),
                  index = make(windows_shape, i32), dout = noise(windows_shape, 2), dx = noise(x.view.shape, 3);
      const Mirror gx(x), gout(out), gindex(index), gdout(dout), gdx(dx);
      const int64_t kernel[2] = {w.kernel[0], w.kernel[1]};
      const View* no_index = nullptr;
      cpu().pool({x, out, greatest ? &index : no_index, {kernel[0], kernel[1]}, w.steps});
      gpu().pool({gx, gout, greatest ? &gindex : no_index, {kernel[0], kernel[1]}, w.steps});
      expect_same(gout, out, 1e-6);
      expect_same(gindex, index, 0);
      cpu().pool_backward({dout, greatest ? &index : no_index, dx, {kernel[0], kernel[1]}, w.steps});
      gpu().pool_backward({gdout, greatest ? &gindex : no_index, gdx, {kernel[0], kernel[1]}, w.steps});
      expect_same(gdx, dx, 1e-6);
    }
  }
}

TEST_F(PoolTest, TheFirstOfEqualsAndNumbersThatAreNone) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Mirror x(from({1, 1, 2, 6}, {3, 3, 1, nan, -inf, -inf, 3, 3, 2, nan, -inf, -inf})), out(make({1, 1, 1, 3})),
      index(make({1, 1, 1, 3}, i32));
  gpu().pool({x, out, &index, {2, 2}, {{2, 2}, {0, 0}}});
  expect_close(out.pull().values(), {3, nan, -inf}, 0);
  expect_close(index.pull().values(), {0, 9, 4}, 0);
}

}  // namespace
}  // namespace fovea::test
