#include "fovea/autograd/functional.h"

#include <array>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

using autograd::hessian;
using autograd::jacobian;
using autograd::jvp;
using autograd::vjp;

const TensorOptions in_f64{f64, {}};

/// By central differences: [f(x)'s shape..., x's shape...].
Tensor measured_jacobian(const autograd::TensorFunction& f, const Tensor& x) {
  const double step = 1e-6;
  std::vector<Tensor> columns;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto moved = [&](double by) {
      Tensor near = x.clone();
      near.reshape({-1}).slice(0, i, i + 1).add_(full({1}, by, in_f64));
      return f(near);
    };
    columns.push_back((moved(step) - moved(-step)) / (2 * step));
  }
  const Tensor y = f(x);
  Shape shape = y.shape();
  for (int64_t size : x.shape()) shape.push_back(size);
  if (columns.empty()) return zeros(shape, in_f64);
  return stack(columns, -1).reshape(shape);
}

struct Differentiated {
  std::string name;
  Shape shape;
  autograd::TensorFunction f;
};

const std::vector<Differentiated>& differentiated() {
  static const std::vector<Differentiated> list{
      {"square", {3}, [](const Tensor& x) { return square(x); }},
      {"softmax", {2, 3}, [](const Tensor& x) { return softmax(x, -1); }},
      {"outer product", {3}, [](const Tensor& x) { return matmul(x.unsqueeze(1), sin(x).unsqueeze(0)); }},
      {"mean",
       {2, 1, 3},
       [](const Tensor& x) {
         return mean(exp(x), {0, 2});
       }},
      {"of a scalar",
       {},
       [](const Tensor& x) {
         return stack({x, x * x});
       }},
      {"of nothing", {0}, [](const Tensor& x) { return square(x); }},
      {"to nothing", {2}, [](const Tensor& x) { return square(x).slice(0, 2); }},
      {"norm", {4}, [](const Tensor& x) { return layer_norm(x); }},
  };
  return list;
}

TEST(Functional, JacobianIsWhatDifferencesMeasure) {
  for (const Differentiated& c : differentiated()) {
    const Tensor x = random(c.shape, in_f64);
    EXPECT_CLOSE(jacobian(c.f, x), measured_jacobian(c.f, x), 1e-6, 1e-8) << c.name;
  }
}

TEST(Functional, ProductsAreThoseWithTheJacobian) {
  for (const Differentiated& c : differentiated()) {
    const Tensor x = random(c.shape, in_f64), y = c.f(x);
    const Tensor matrix = jacobian(c.f, x).reshape({y.numel(), x.numel()});
    const Tensor v = random(x.shape(), in_f64, 2), u = random(y.shape(), in_f64, 3);
    const auto forward = jvp(c.f, x, v), backward = vjp(c.f, x, u);
    EXPECT_CLOSE(forward.value, y) << c.name;
    EXPECT_CLOSE(backward.value, y) << c.name;
    EXPECT_CLOSE(forward.product, matmul(matrix, v.reshape({x.numel()})).reshape(y.shape())) << c.name;
    EXPECT_CLOSE(backward.product, matmul(u.reshape({y.numel()}), matrix).reshape(x.shape())) << c.name;
  }
}

TEST(Functional, HessianFollowsClosedForms) {
  const Tensor a = random({3, 3}, in_f64), x = random({3}, in_f64, 2);
  EXPECT_CLOSE(hessian([&](const Tensor& x) { return matmul(matmul(x, a), x); }, x), a + a.mT());
  EXPECT_CLOSE(hessian([](const Tensor& x) { return sum(pow(x, 3), {}, true); }, x), eye(3, -1, in_f64) * (6.0 * x));
  // log(sum(exp(x))): diag(p) - p p^T, with p = softmax(x).
  const Tensor p = softmax(x, 0);
  EXPECT_CLOSE(hessian([](const Tensor& x) { return logsumexp(x); }, x),
               eye(3, -1, in_f64) * p - matmul(p.unsqueeze(1), p.unsqueeze(0)));
  const auto f = [](const Tensor& x) { return sum(sin(x) * x.flip(0)); };
  const auto slope = [&](const Tensor& x) { return vjp(f, x, scalar(1, in_f64)).product; };
  const Tensor wide = random({2, 3}, in_f64);
  EXPECT_CLOSE(hessian(f, wide), measured_jacobian(slope, wide), 1e-6, 1e-8);
  EXPECT_CLOSE(hessian([](const Tensor& x) { return sum(x * 2.0); }, x), zeros({3, 3}, in_f64)) << "no second one";
}

TEST(Functional, ADerivativeOfZeroIsZeros) {
  const Tensor x = random({2}, in_f64);
  Tensor other = ones({3}, in_f64).set_requires_grad();
  const auto apart = [&](const Tensor&) { return other * 2.0; };
  EXPECT_CLOSE(jacobian(apart, x), zeros({3, 2}, in_f64));
  EXPECT_CLOSE(vjp(apart, x, ones({3}, in_f64)).product, zeros({2}, in_f64));
  EXPECT_CLOSE(jvp(apart, x, x).product, zeros({3}, in_f64));
}

TEST_P(OnEveryDevice, FunctionalWorksOnEveryDevice) {
  const Tensor x = random({2, 3}, options());
  const auto f = [](const Tensor& x) { return softmax(x, -1); };
  const Tensor wide = x.to(Device::cpu()).to(f64);
  EXPECT_CLOSE(jacobian(f, x), jacobian(f, wide).to(f32).to(device()), 1e-4, 1e-5);
  EXPECT_CLOSE(jvp(f, x, x).product, jvp(f, wide, wide).product.to(f32).to(device()), 1e-4, 1e-5);
}

TEST(Functional, LeavesGradientsAndTheModeAlone) {
  Tensor x = random({3}, in_f64).set_requires_grad(), weight = random({3}, in_f64, 2).set_requires_grad();
  const auto f = [&](const Tensor& x) { return square(x) * weight; };
  for (const bool recording : {true, false}) {
    std::optional<NoGrad> off;
    if (!recording) off.emplace();
    const std::array made{jacobian(f, x), jvp(f, x, x).product, vjp(f, x, x).product, vjp(f, x, x).value,
                          hessian([&](const Tensor& x) { return sum(f(x)); }, x)};
    for (const Tensor& y : made) EXPECT_FALSE(y.requires_grad());
    EXPECT_EQ(grad_enabled(), recording);
  }
  {
    const NoGrad off;
    EXPECT_FALSE(jacobian(f, x, true).requires_grad()) << "NoGrad holds for what is given out";
  }
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_TRUE(x.is_leaf());
}

TEST(Functional, ResultsCanBeDifferentiatedAgain) {
  const Tensor x = random({2, 2}, in_f64), w = random({2}, in_f64, 2), v = random({2, 2}, in_f64, 3);
  const auto in = [](const Tensor& w) { return [w](const Tensor& x) { return sin(x) * w * x.mT(); }; };
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& w) { return jacobian(in(w), x, true); }, x, w);
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& w, const Tensor& v) { return jvp(in(w), x, v, true).product; }, x,
                   w, v);
  EXPECT_GRADIENTS([&](const Tensor& x, const Tensor& w, const Tensor& v) { return vjp(in(w), x, v, true).product; }, x,
                   w, v);
  EXPECT_GRADIENTS([&](const Tensor& x,
                       const Tensor& w) { return hessian([&](const Tensor& x) { return sum(in(w)(x)*x); }, x, true); },
                   x, w);
}

TEST(Functional, SaysWhatIsWrong) {
  const Tensor x = zeros({2, 3});
  const auto same = [](const Tensor& x) { return x * 1.0; };
  EXPECT_ERROR(
      jacobian([](const Tensor& x) { return argmax(x); }, x),
      "jacobian: the function's result i32 [2] was not recorded: it is no differentiable function (functional");
  EXPECT_ERROR(vjp([](const Tensor& x) { return x.detach(); }, x, x), "vjp: the function's result f32 [2, 3] was not");
  EXPECT_ERROR(jvp([](const Tensor&) { return Tensor(); }, x, x), "jvp: the function returned no tensor (functional_");
  EXPECT_ERROR(hessian(same, x), "hessian: the function's result [2, 3] has not one element (functional_test.cpp:");
  EXPECT_ERROR(jacobian(same, zeros({2}, {i32})), "jacobian: needs a floating dtype, not i32; convert with .to(f32) (");
  EXPECT_ERROR(vjp(same, x, zeros({3})), "vjp: v [3] has not the shape of the function's result, [2, 3] (functional_");
  EXPECT_ERROR(jvp(same, x, zeros({3})), "jvp: v [3] has not the shape of x, [2, 3] (functional_test.cpp:");
  EXPECT_ERROR(jvp(same, x, x.to(f64)), "jvp: dtypes differ: f32 and f64; convert one with .to() (functional_test");
  EXPECT_ERROR(jacobian(same, zeros({1, 1, 1, 1, 1})), "jacobian: [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1]] has more than 8");
}

}  // namespace
}  // namespace fovea::test
