#include <gtest/gtest.h>

#include <cmath>

#include "backends/bf16_unit.h"
#include "fovea/backends/cpu/bf16_product.h"
#include "fovea/backends/cpu/direct_convolution.h"
#include "fovea/backends/cpu/tile_convolution.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

using Product = ConvolutionCall::Product;

struct ConvolutionCase {
  int64_t batch, groups, in, height, width, out, kernel[2];  // channels are those of a group
  WindowSteps steps = {};
};

// Steps of one, which f32 takes on its own way, in every shape that makes a difference there.
const std::vector<ConvolutionCase>& cases() {
  static const std::vector<ConvolutionCase> list{
      {2, 1, 1, 1, 1, 1, {1, 2}, {.padding = {0, 1}}},
      {3, 1, 5, 14, 14, 64, {3, 3}, {.padding = {1, 1}}},
      {2, 1, 40, 6, 70, 33, {3, 3}, {.padding = {1, 1}}},
      {2, 1, 3, 8, 9, 17, {3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {1, 1, 2, 7, 5, 9, {3, 2}, {.padding = {5, 4}}},  // wider than the kernel
      {2, 2, 4, 6, 7, 12, {3, 3}, {.padding = {1, 0}}},
      {2, 3, 2, 5, 6, 1, {2, 2}},
      {1, 1, 128, 4, 9, 8, {2, 4}, {.padding = {1, 2}}},  // rows of weights a page apart
      {9, 1, 6, 1, 21, 20, {1, 3}, {.padding = {0, 1}}},  // texts, many in a tile
      {4, 2, 3, 1, 5, 8, {1, 5}},
      {3, 1, 4, 3, 11, 10, {1, 4}, {.padding = {0, 3}, .dilation = {1, 2}}},
      {2, 1, 3, 9, 1, 8, {4, 1}, {.padding = {2, 0}}},
      {1, 1, 2, 200, 90, 8, {7, 7}, {.padding = {3, 3}}},  // more than a block
      {33, 1, 1, 5, 5, 8, {3, 3}, {.padding = {1, 1}}},
  };
  return list;
}

// Other steps, and one channel a group, each of which has a way of its own in f64 too.
const std::vector<ConvolutionCase>& other_cases() {
  static const std::vector<ConvolutionCase> list{
      {2, 3, 1, 5, 6, 1, {3, 3}, {.padding = {1, 1}}},
      {3, 4, 1, 9, 33, 2, {3, 5}, {.padding = {1, 2}}},
      {2, 3, 1, 8, 9, 1, {3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {1, 2, 1, 7, 20, 3, {4, 2}, {.stride = {3, 2}, .padding = {2, 0}, .dilation = {1, 3}}},
      {2, 2, 1, 1, 40, 1, {1, 7}, {.padding = {0, 9}}},                   // wider than the kernel
      {2, 2, 1, 6, 5, 1, {1, 2}, {.stride = {4, 3}}},                     // places that no tap reads
      {2, 3, 1, 6, 6, 1, {3, 3}, {.stride = {3, 3}, .padding = {1, 1}}},  // nor any in the last row and column
      {2, 5, 1, 1, 1, 1, {1, 1}},
      {0, 3, 1, 5, 6, 1, {3, 3}, {.padding = {1, 1}}},
      {2, 3, 1, 2, 17, 1, {2, 11}, {.padding = {1, 1}, .dilation = {2, 1}}},
      {2, 1, 3, 8, 9, 17, {3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {1, 1, 5, 14, 14, 20, {7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
      {3, 2, 4, 9, 20, 8, {3, 4}, {.stride = {1, 3}, .padding = {0, 2}}},
      {2, 1, 3, 16, 16, 33, {4, 4}, {.stride = {4, 4}}},  // patches
      {2, 1, 6, 11, 13, 9, {1, 1}, {.stride = {2, 2}}},
      {2, 1, 6, 4, 7, 9, {1, 1}, {.padding = {1, 0}}},
      {2, 1, 6, 4, 7, 9, {1, 1}, {.padding = {0, 2}}},
      {2, 1, 70, 1, 1, 80, {1, 1}},  // a product with a single column
      {0, 1, 3, 5, 6, 4, {3, 3}},
      {2, 1, 3, 6, 12, 9, {3, 3}, {.stride = {1, 4}, .padding = {1, 1}}},  // columns that no window reaches
      {4, 1, 8, 1, 50, 16, {1, 3}, {.stride = {1, 2}, .padding = {0, 1}}},
      {2, 1, 3, 12, 10, 8, {3, 2}, {.stride = {3, 2}, .padding = {4, 1}, .dilation = {2, 3}}},
      {1, 1, 2, 60, 90, 8, {5, 5}, {.stride = {2, 1}, .padding = {2, 2}}},
      {2, 1, 3, 7, 75, 9, {3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},  // several vectors of every other column
  };
  return list;
}

struct ConvolutionArrays {
  Tensor x, weight, y;

  ConvolutionArrays(const ConvolutionCase& c, DType dtype) {
    Shape out{c.batch, c.out * c.groups};
    const int64_t size[] = {c.height, c.width};
    for (int axis = 0; axis < 2; ++axis) out.push_back(c.steps.positions(axis, size[axis], c.kernel[axis]));
    x = random({c.batch, c.in * c.groups, c.height, c.width}, {}, 1).to(dtype);
    weight = random({c.out * c.groups, c.in, c.kernel[0], c.kernel[1]}, {}, 2).to(dtype);
    y = random(out, {}, 3).to(dtype);
  }
  Tensor& result(Product product) { return product == Product::y ? y : product == Product::x ? x : weight; }
};

/// What the call would compute in place of one of the arrays, term by term; with `sizes` of the numbers without their signs.
std::vector<double> naive(const ConvolutionCase& c, const ConvolutionArrays& arrays, Product product,
                          const Tensor& bias, bool sizes = false) {
  auto x = arrays.x.to_vector<double>(), weight = arrays.weight.to_vector<double>(), y = arrays.y.to_vector<double>(),
       b = bias.to_vector<double>();
  for (std::vector<double>* part : {&x, &weight, &y, &b}) {
    for (double& value : *part) value = sizes ? std::abs(value) : value;
  }
  std::vector<double> dx(x.size()), dweight(weight.size()), out(y.size());
  const Shape& shape = arrays.y.shape();
  for (int64_t n = 0; n < c.batch; ++n) {
    for (int64_t o = 0; o < c.out * c.groups; ++o) {
      for (int64_t i = 0; i < shape[2]; ++i) {
        for (int64_t j = 0; j < shape[3]; ++j) {
          const auto at = static_cast<size_t>(((n * shape[1] + o) * shape[2] + i) * shape[3] + j);
          out[at] += b[static_cast<size_t>(o)];
          for (int64_t k = 0; k < c.in * c.kernel[0] * c.kernel[1]; ++k) {
            const int64_t channel = k / (c.kernel[0] * c.kernel[1]), p = k / c.kernel[1] % c.kernel[0];
            const int64_t row = i * c.steps.stride[0] + p * c.steps.dilation[0] - c.steps.padding[0];
            const int64_t column = j * c.steps.stride[1] + k % c.kernel[1] * c.steps.dilation[1] - c.steps.padding[1];
            if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
            const int64_t plane = (n * c.groups + o / c.out) * c.in + channel;
            const auto from = static_cast<size_t>((plane * c.height + row) * c.width + column);
            const auto tap = static_cast<size_t>(o * c.in * c.kernel[0] * c.kernel[1] + k);
            out[at] += weight[tap] * x[from];
            dx[from] += weight[tap] * y[at];
            dweight[tap] += x[from] * y[at];
          }
        }
      }
    }
  }
  return product == Product::y ? out : product == Product::x ? dx : dweight;
}

TEST(Convolution, EqualsItsDefinition) {
  std::vector<ConvolutionCase> all = cases();
  all.insert(all.end(), other_cases().begin(), other_cases().end());
  for (const ConvolutionCase& c : all) {
    if (c.height * c.width > 10000) continue;
    for (DType dtype : {f32, f64}) {
      const Tensor bias = random({c.out * c.groups}, {}, 4).to(dtype);
      for (Product product : {Product::y, Product::x, Product::weight}) {
        ConvolutionArrays arrays(c, dtype);
        const std::vector<double> want = naive(c, ConvolutionArrays(c, f64), product, bias);
        arrays.x.backend().convolution({product, arrays.x.view(), arrays.weight.view(), arrays.y.view(),
                                        product == Product::y ? &bias.view() : nullptr, c.steps, c.groups});
        const std::vector<double> got = arrays.result(product).to_vector<double>();
        ASSERT_EQ(got.size(), want.size());
        const double tolerance = dtype == f32 ? 1e-4 : 1e-11;
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::abs(want[i])))
              << "at " << i << ": x " << to_string(arrays.x.shape()) << " weight " << to_string(arrays.weight.shape())
              << " product " << static_cast<int>(product);
        }
      }
    }
  }
}

using ConvolutionBf16 = NeedsBf16;

TEST_F(ConvolutionBf16, RoundsItsOperands) {
  std::vector<ConvolutionCase> all = cases();
  all.insert(all.end(), other_cases().begin(), other_cases().end());
  for (const ConvolutionCase& c : all) {
    if (c.height * c.width > 10000 || c.in * c.groups == c.groups) continue;  // one channel a group: in f32
    const Tensor bias = random({c.out * c.groups}, {}, 4);
    for (Product product : {Product::y, Product::x, Product::weight}) {
      ConvolutionArrays arrays(c, f32), rounded(c, f32);
      for (Tensor* part : {&rounded.x, &rounded.weight, &rounded.y}) *part = part->to(bf16).to(f32);
      const std::vector<double> want = naive(c, rounded, product, bias);
      arrays.x.backend().convolution({product, arrays.x.view(), arrays.weight.view(), arrays.y.view(),
                                      product == Product::y ? &bias.view() : nullptr, c.steps, c.groups, true});
      const std::vector<double> got = arrays.result(product).to_vector<double>();
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], want[i], 1e-4 * (1 + std::abs(want[i])))
            << "at " << i << ": x " << to_string(arrays.x.shape()) << " weight " << to_string(arrays.weight.shape())
            << " product " << static_cast<int>(product);
      }
    }
  }
}

/// Convolutions by matrix tiles, where this processor has them.
class TileConvolution : public testing::Test {
 protected:
  void SetUp() override {
    const ConvolutionCase c{1, 1, 32, 16, 16, 32, {3, 3}};
    const ConvolutionArrays arrays(c, f32);
    if (!cpu::takes_tile_convolution(
            {Product::y, arrays.x.view(), arrays.weight.view(), arrays.y.view(), nullptr, {}, 1}))
      GTEST_SKIP() << "this processor has no matrix tiles for bf16 (AMX)";
  }

  /// Steps of one; sizes around those of tiles, and several blocks of channels, rows and pictures.
  static std::vector<ConvolutionCase> cases_of_tiles() {
    std::vector<ConvolutionCase> all = cases();
    for (const ConvolutionCase& c : {ConvolutionCase{3, 1, 33, 5, 5, 17, {3, 3}, {.padding = {1, 1}}},
                                     {2, 1, 32, 14, 14, 40, {3, 3}, {.padding = {1, 1}}},
                                     {2, 2, 17, 7, 9, 49, {3, 2}, {.padding = {1, 0}}},
                                     {1, 1, 150, 4, 5, 140, {2, 2}, {.padding = {1, 1}}},
                                     {5, 1, 64, 1, 20, 40, {1, 3}, {.padding = {0, 1}}},
                                     {1, 1, 31, 36, 40, 33, {2, 2}, {.padding = {1, 1}}},
                                     {2, 1, 16, 12, 1, 48, {5, 1}, {.padding = {6, 0}, .dilation = {2, 1}}},
                                     {40, 1, 20, 2, 2, 20, {2, 2}, {.padding = {1, 1}}}})
      all.push_back(c);
    return all;
  }
  static bool run(ConvolutionArrays& arrays, const ConvolutionCase& c, Product product, const Tensor* bias,
                  bool bf16_operands) {
    return cpu::tile_convolution({product, arrays.x.view(), arrays.weight.view(), arrays.y.view(),
                                  bias ? &bias->view() : nullptr, c.steps, c.groups, bf16_operands});
  }
};

TEST_F(TileConvolution, EqualsItsDefinition) {
  for (const ConvolutionCase& c : cases_of_tiles()) {
    if (c.height * c.width > 10000) continue;
    const Tensor bias = random({c.out * c.groups}, {}, 4);
    for (const bool bf16_operands : {false, true}) {
      for (Product product : {Product::y, Product::x, Product::weight}) {
        ConvolutionArrays arrays(c, f32), exact(c, f32);
        for (Tensor* part : {&exact.x, &exact.weight, &exact.y})
          if (bf16_operands) *part = part->to(bf16).to(f32);
        const std::vector<double> want = naive(c, exact, product, bias), terms = naive(c, exact, product, bias, true);
        ASSERT_TRUE(run(arrays, c, product, product == Product::y ? &bias : nullptr, bf16_operands));
        const std::vector<double> got = arrays.result(product).to_vector<double>();
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_NEAR(got[i], want[i], terms[i] * 0x1p-21)
              << "at " << i << ": x " << to_string(arrays.x.shape()) << " weight " << to_string(arrays.weight.shape())
              << " product " << static_cast<int>(product) << " bf16 " << bf16_operands;
        }
      }
    }
  }
}

TEST_F(TileConvolution, ThreadsDoNotChangeIt) {
  const int threads = num_threads();
  for (const ConvolutionCase& c : cases_of_tiles()) {
    for (Product product : {Product::y, Product::x, Product::weight}) {
      ConvolutionArrays one(c, f32), several(c, f32);
      set_num_threads(1);
      ASSERT_TRUE(run(one, c, product, nullptr, false));
      set_num_threads(3);
      ASSERT_TRUE(run(several, c, product, nullptr, false));
      set_num_threads(threads);
      EXPECT_EQ(one.result(product).to_vector<float>(), several.result(product).to_vector<float>());
    }
  }
}

// An infinity, a NaN or a number whose products overflow go where the way by f32's own instructions takes them, whatever
// operand they stand in.
TEST_F(TileConvolution, LeavesWhatIsNotFiniteToTheOtherWay) {
  const ConvolutionCase c{6, 1, 32, 7, 7, 32, {3, 3}, {.padding = {1, 1}}};
  for (const float value : {INFINITY, -INFINITY, NAN, 3e38f}) {
    for (int operand = 0; operand < 3; ++operand) {
      for (Product product : {Product::y, Product::x, Product::weight}) {
        ConvolutionArrays arrays(c, f32), other(c, f32);
        for (ConvolutionArrays* of : {&arrays, &other}) {
          Tensor& into = operand == 0 ? of->x : operand == 1 ? of->weight : of->y;
          into.select(0, 1).select(0, 5).select(0, 2).select(0, 1).fill_(value);
        }
        const bool reads_it = &arrays.result(product) != (operand == 0   ? &arrays.x
                                                          : operand == 1 ? &arrays.weight
                                                                         : &arrays.y);
        EXPECT_EQ(run(arrays, c, product, nullptr, false), !reads_it);
        arrays.x.backend().convolution(
            {product, arrays.x.view(), arrays.weight.view(), arrays.y.view(), nullptr, c.steps, c.groups});
        const ConvolutionCall call{product, other.x.view(), other.weight.view(), other.y.view(), nullptr,
                                   c.steps, c.groups};
        ASSERT_TRUE(cpu::takes_direct_convolution(call));
        cpu::direct_convolution(call);
        const std::vector<double> got = arrays.result(product).to_vector<double>(),
                                  want = other.result(product).to_vector<double>();
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
          if (!std::isfinite(want[i])) {
            ASSERT_TRUE(std::isnan(want[i]) || got[i] == want[i]) << i;
          }
        }
      }
    }
  }
}

// A row of odd length, whose last position has no partner among those that are summed two by two.
TEST(Convolution, InfinitiesReachTheirTapsAlone) {
  const bool has_bf16 = random({1}).backend().has_bf16_operands();
  for (const auto& [bf16_operands, in, out] :
       {std::tuple{false, 3, 8}, {has_bf16, 3, 8}, {false, 32, 32}, {has_bf16, 32, 32}}) {
    Tensor x = random({1, in, 6, 21}, {}, 1), dy = random({1, out, 6, 19}, {}, 2),
           weight = random({out, in, 1, 3}, {}, 3);
    x.select(3, 20).fill_(INFINITY);  // read by the last tap alone
    dy.fill_(1);
    x.backend().convolution({Product::weight, x.view(), weight.view(), dy.view(), nullptr, {}, 1, bf16_operands});
    for (int64_t tap : {0, 1, 2}) {
      for (const double value : weight.select(3, tap).to_vector<double>()) EXPECT_EQ(value == INFINITY, tap == 2);
    }
  }
}

TEST(Convolution, KeepsInfinitiesWhereTheyAre) {
  // One channel a group; zeros stand beside the last vector of a row.
  Tensor x = random({1, 2, 5, 7}, {}, 1), dy = random({1, 2, 5, 7}, {}, 1), weight = random({2, 1, 3, 3}, {}, 1);
  x.fill_(0);
  dy.fill_(1);
  x.select(1, 1).select(1, 2).fill_(INFINITY);
  x.backend().convolution({Product::weight, x.view(), weight.view(), dy.view(), nullptr, {.padding = {1, 1}}, 2});
  for (const double value : weight.to_vector<double>()) EXPECT_FALSE(std::isnan(value));
}

TEST(Convolution, InF32IsThatInF64) {
  for (const ConvolutionCase& c : cases()) {
    const Shape weight_shape{c.out * c.groups, c.in, c.kernel[0], c.kernel[1]};
    Shape shapes[3] = {{c.batch, c.in * c.groups, c.height, c.width}, weight_shape, {c.batch, c.out * c.groups}};
    for (int axis = 0; axis < 2; ++axis)
      shapes[2].push_back(c.steps.positions(axis, shapes[0][2 + axis], c.kernel[axis]));
    const Tensor bias = random({c.out * c.groups}, {}, 4), bias64 = bias.to(f64);
    for (Product product : {Product::y, Product::x, Product::weight}) {
      Tensor narrow[3], wide[3];  // x, weight, y
      for (int i = 0; i < 3; ++i) {
        narrow[i] = random(shapes[i], {}, 1 + i);
        wide[i] = narrow[i].to(f64);
      }
      const auto run = [&](Tensor(&t)[3], const Tensor& b) {
        t[0].backend().convolution({product, t[0].view(), t[1].view(), t[2].view(),
                                    product == Product::y ? &b.view() : nullptr, c.steps, c.groups});
      };
      run(narrow, bias);
      run(wide, bias64);
      const int result = product == Product::y ? 2 : product == Product::x ? 0 : 1;
      EXPECT_CLOSE(narrow[result], wide[result].to(f32), 2e-4, 2e-4)
          << "x " << to_string(shapes[0]) << " weight " << to_string(shapes[1]) << " result " << result;
    }
  }
}

}  // namespace
}  // namespace fovea::test
