#include <gtest/gtest.h>

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
