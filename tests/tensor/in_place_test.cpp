#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using test::OnEveryDevice;

uint32_t version(const Tensor& x) { return x.buffer()->version; }

TEST_P(OnEveryDevice, ChangesEveryLayoutInPlace) {
  for (const Shape& shape : test::odd_shapes()) {
    const Tensor start = test::random(shape, options()), other = test::random(shape, options(), 2);
    for (auto& [layout, x] : test::layouts_of(start)) {
      SCOPED_TRACE(fmt::format("{} {}", shape, layout));
      x.add_(other, -2);
      EXPECT_CLOSE(x, start - 2.0 * other);
      x.mul_(0.5);
      EXPECT_CLOSE(x, (start - 2.0 * other) * 0.5);
      x.copy_(other);
      EXPECT_CLOSE(x, other);
      x.zero_();
      EXPECT_CLOSE(x, zeros(shape));
    }
  }
}

TEST_P(OnEveryDevice, BroadcastsAndConvertsWhatIsCopied) {
  Tensor x = zeros({2, 3}, options());
  x.copy_(tensor({1, 2, 3}, options(i32)));
  EXPECT_CLOSE(x, {1, 2, 3, 1, 2, 3});
  x.copy_(scalar(4, options(f16)));
  EXPECT_CLOSE(x, {4, 4, 4, 4, 4, 4});
  x.copy_(tensor({1, 2}).unsqueeze(1));
  EXPECT_CLOSE(x, {1, 1, 1, 2, 2, 2});
  x.add_(tensor({0, 1, 2}, options()));
  EXPECT_CLOSE(x, {1, 2, 3, 2, 3, 4});
}

TEST_P(OnEveryDevice, ReadsAllBeforeItWrites) {
  Tensor x = arange(0, 6, 1, options());
  x.slice(0, 1).copy_(x.slice(0, 0, 5));
  EXPECT_CLOSE(x, {0, 0, 1, 2, 3, 4});
  Tensor y = arange(0, 6, 1, options());
  y.copy_(y.flip(0));
  EXPECT_CLOSE(y, {5, 4, 3, 2, 1, 0});
  Tensor z = arange(0, 4, 1, options()).reshape({2, 2});
  z.add_(z.mT());
  EXPECT_CLOSE(z, {0, 3, 3, 6});
  Tensor w = arange(0, 4, 1, options()).reshape({2, 2});
  w.add_(w.select(0, 1));
  EXPECT_CLOSE(w, {2, 4, 4, 6});
}

TEST(InPlace, CountsVersions) {
  const NoGrad off;
  Tensor x = zeros({4});
  Tensor half = x.slice(0, 0, 2);
  const uint32_t start = version(x);
  half.fill_(1);
  EXPECT_EQ(version(x), start + 1) << "views share the count";
  x.copy_(ones({4}));
  x.add_(ones({4}));
  x.mul_(2);
  x.detach().zero_();
  EXPECT_EQ(version(x), start + 5);
  EXPECT_EQ(version(x.clone()), 0u);
}

TEST(InPlace, RefusesWhatDoesNotFit) {
  Tensor x = zeros({2, 3});
  EXPECT_ERROR(x.copy_(zeros({3, 2})), "copy_: shapes do not broadcast: [2, 3] and [3, 2] (in_place_test.cpp:");
  EXPECT_ERROR(x.copy_(zeros({4, 2, 3})), "copy_: [4, 2, 3] does not fit into [2, 3] (in_place_test.cpp:");
  EXPECT_ERROR(x.add_(zeros({4, 2, 3})), "add_: cannot write a result of [4, 2, 3] into [2, 3] (in_place_test.cpp:");
  EXPECT_ERROR(x.add_(zeros({2, 3}, {f64})), "add_: dtypes differ: f32 and f64; convert one with .to() (in_place_test");
  EXPECT_ERROR(x.add_(zeros({2, 3}, {i32})), "add_: dtypes differ: f32 and i32; convert one with .to() (in_place_test");
  EXPECT_ERROR(
      x.select(0, 0).expand({4, 3}).add_(ones({4, 3})),
      "add_: cannot write into [4, 3] with strides [0, 1]: elements repeat; clone it first (in_place_test.cpp:");
  EXPECT_ERROR(
      x.select(0, 0).expand({4, 3}).copy_(ones({4, 3})),
      "copy_: cannot write into [4, 3] with strides [0, 1]: elements repeat; clone it first (in_place_test.cpp:");
  EXPECT_ERROR(zeros({2}, {i32}).mul_(0.5),
               "mul_: 0.5 is no i32 number, as the i32 tensor asks for; convert it with .to(f32) (in_place");
}

TEST(InPlace, RefusesTensorsWhoseGradientIsRecorded) {
  Tensor leaf = zeros({2}).set_requires_grad();
  EXPECT_ERROR(leaf.fill_(1),
               "fill_: changes a tensor whose gradient is recorded; do it under NoGrad (in_place_test.cpp:");
  EXPECT_ERROR(leaf.mul_(1),
               "mul_: changes a tensor whose gradient is recorded; do it under NoGrad (in_place_test.cpp:");
  EXPECT_ERROR(leaf.add_(leaf),
               "add_: changes a tensor whose gradient is recorded; do it under NoGrad (in_place_test.cpp:");
  EXPECT_ERROR(leaf.copy_(leaf), "copy_: changes a tensor whose gradient is recorded; do it under NoGrad (in_place");
  const NoGrad off;
  leaf.fill_(3);
  EXPECT_CLOSE(leaf, {3, 3});
}

TEST(InPlace, WritesSeveralOutputsAtOnce) {
  static const Elementwise f{"swap", [](Expr a, Expr b, Scalar s) { return std::vector<Expr>{b * s, a}; }};
  Tensor a = tensor({1, 2}), b = tensor({3, 4});
  f.into({&a, &b}, {a, b, 10});
  EXPECT_CLOSE(a, {30, 40});
  EXPECT_CLOSE(b, {1, 2});
  EXPECT_ERROR(f.into({&a}, {a, b, 10}), "swap: has 2 outputs, not 1 (in_place_test.cpp:");
}

}  // namespace
}  // namespace fovea
