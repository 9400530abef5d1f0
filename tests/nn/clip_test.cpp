#include "fovea/nn/clip.h"

#include <cmath>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

Tensor with_gradient(const Tensor& gradient) {
  Tensor p = zeros(gradient.shape(), gradient.options()).set_requires_grad();
  p.set_grad(gradient);
  return p;
}

TEST(ClipGradNorm, ScalesAllGradientsTogether) {
  const Tensor a = with_gradient(tensor({3, 0})), b = with_gradient(full({2, 2}, 2)), none = ones({3});
  const Tensor norm = nn::clip_grad_norm_({a, b, none}, 2.5);
  EXPECT_NEAR(norm.item(), 5, 1e-6);
  EXPECT_CLOSE(a.grad(), {1.5, 0});
  EXPECT_CLOSE(b.grad(), full({2, 2}, 1));
}

TEST(ClipGradNorm, LeavesSmallGradientsAlone) {
  const Tensor a = with_gradient(tensor({0.3, 0.4}));
  EXPECT_NEAR(nn::clip_grad_norm_({a}, 1).item(), 0.5, 1e-7);
  EXPECT_CLOSE(a.grad(), {0.3f, 0.4f}, 0, 0);
}

TEST(ClipGradNorm, TakesAnyShapeAndF64) {
  for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1, 7, 1, 5}, Shape{1000, 33}}) {
    const Tensor g = test::random(shape, {.dtype = f64}, 4);
    const Tensor p = with_gradient(g.clone());
    const double want = norm(g).item();
    EXPECT_NEAR(nn::clip_grad_norm_({p}, want / 2).item(), want, 1e-12 * want);
    EXPECT_CLOSE(p.grad(), g * (want / 2 / (want + 1e-6)));
  }
  EXPECT_EQ(nn::clip_grad_norm_({}, 1).item(), 0);
}

TEST(ClipGradNorm, OfAnyF64IsF64) {
  const Tensor one = with_gradient(tensor({3})), two = with_gradient(tensor({4}, {.dtype = f64}));
  for (const std::vector<Tensor>& parameters : {std::vector<Tensor>{one, two}, std::vector<Tensor>{two, one}}) {
    const Tensor norm = nn::grad_norm(parameters);
    EXPECT_EQ(norm.dtype(), f64);
    EXPECT_EQ(norm.item(), 5);
  }
}

TEST_P(OnEveryDevice, ClipGradNormTakesEveryFloatingDType) {
  for (const DType dtype : {f32, bf16, f16, f64}) {
    if (dtype == f64 && device() != Device::cpu()) continue;
    const auto clipped = [&](bool captured) {
      const Tensor a = with_gradient(tensor({3, 0}, options(dtype))), b = with_gradient(full({2, 2}, 2, options(f32)));
      const auto clip = [&] { return nn::clip_grad_norm_({a, b}, 2.5); };
      if (captured) {
        auto step = capture(clip);
        for (int i = 0; i < 4; ++i) {
          a.grad().copy_(tensor({3, 0}, options(f32)));
          b.grad().fill_(2);
          EXPECT_NEAR(step().item(), 5, 1e-6);
        }
        EXPECT_EQ(step.stats().replays, 2u);
      } else {
        EXPECT_NEAR(clip().item(), 5, 1e-6);
      }
      EXPECT_EQ(a.grad().dtype(), dtype);
      EXPECT_CLOSE(a.grad().to(f32), {1.5, 0}, 1e-3, 1e-3);
      EXPECT_CLOSE(b.grad(), full({2, 2}, 1, options(f32)));
    };
    clipped(false);
    clipped(true);
  }
}

TEST(ClipGradNorm, CountsAsAChangeOfTheGradient) {
  const Tensor a = with_gradient(tensor({3, 4})), x = ones({2}).set_requires_grad();
  const Tensor product = sum(x * a.grad());
  nn::clip_grad_norm_({a}, 1);
  EXPECT_ERROR(product.backward(), "mul: a value saved for its backward was changed in place (clip_test.cpp:");
}

TEST(ClipGradNorm, TakesSparseGradients) {
  nn::EmbeddingBag dense(9, 3), sparse(9, 3, {.sparse = true});
  sparse.load_state_dict(dense.state_dict());
  const Tensor index = from_vector(std::vector<int32_t>{1, 1, 4, 8}, {2, 2}), g = test::random({2, 3});
  dense.forward(index).backward(g);
  sparse.forward(index).backward(g);
  EXPECT_NEAR(nn::clip_grad_norm_(sparse.parameters(), 0.1).item(), nn::clip_grad_norm_(dense.parameters(), 0.1).item(),
              1e-6);
  nn::SGD a(dense, {.lr = 1}), b(sparse, {.lr = 1});
  a.step();
  b.step();
  EXPECT_CLOSE(sparse.weight.detach(), dense.weight.detach());
}

TEST(ClipGradValue, ClampsEveryElement) {
  const Tensor a = with_gradient(tensor({3, -0.5, -7}));
  nn::clip_grad_value_({a}, 2);
  EXPECT_CLOSE(a.grad(), {2, -0.5, -2});
}

TEST_P(OnEveryDevice, GradientsWhoseElementsRepeatAreNotChangedInPlace) {
  const auto leaf = [&](const Tensor& gradient) {
    Tensor x = ones({3}, options()).set_requires_grad();
    x.set_grad(gradient);
    return x;
  };
  const Tensor own = leaf(full({3}, 4, options())), repeated = leaf(full({1}, 4, options()).expand({3}));
  const std::string end = ": cannot write into [3] with strides [0]: elements repeat; clone it first (clip_test.cpp:";
  EXPECT_ERROR(nn::clip_grad_norm_({own, repeated}, 1), "clip_grad_norm_" + end);
  EXPECT_ERROR(nn::clip_grad_value_({own, repeated}, 1), "clip_grad_value_" + end);
  EXPECT_ERROR(nn::scale_grad_({own, repeated}, 0.5), "scale_grad_" + end);
  EXPECT_CLOSE(own.grad(), {4, 4, 4}, 0, 0);
  EXPECT_CLOSE(repeated.grad(), {4, 4, 4}, 0, 0);
}

TEST(Clip, NamesMisuse) {
  EXPECT_ERROR(nn::grad_norm({Tensor()}), "grad_norm: an undefined tensor is used (clip_test.cpp:");
  EXPECT_ERROR(nn::clip_grad_norm_({}, -1), "clip_grad_norm_: max_norm -1 is not 0 or more (clip_test.cpp:");
  EXPECT_ERROR(nn::clip_grad_norm_({}, std::nan("")), "clip_grad_norm_: max_norm nan is not 0 or more (clip_test.cpp:");
  if (test::obstacle(Device::vulkan()).empty()) {
    const Tensor here = with_gradient(ones({2})), there = with_gradient(ones({2}, {f32, Device::vulkan()}));
    EXPECT_ERROR(nn::grad_norm({here, there}), "grad_norm: gradients are on cpu and vulkan:0 (clip_test.cpp:");
  }
  EXPECT_ERROR(nn::clip_grad_value_({}, std::nan("")), "clip_grad_value_: limit nan is not 0 or more (clip_test.cpp:");
}

}  // namespace
}  // namespace fovea::test
