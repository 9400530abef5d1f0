#include "fovea/nn/activations.h"

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

Tensor glu(const Tensor& x, int axis, Caller caller) {
  static const Elementwise f{"glu", [](Expr a, Expr b) { return a * sigmoid(b); }};
  raw::check_defined("glu", x, caller);
  const int64_t size = x.size(axis, caller);
  if (size % 2 != 0) raise<ShapeError>(caller, "glu: axis {} of {} has no two halves", axis, x.shape());
  return f(x.slice(axis, 0, size / 2), x.slice(axis, size / 2));
}

Tensor GLU::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return glu(x, axis_, caller);
}
std::string GLU::description() const { return fmt::format("{}", axis_); }

PReLU::PReLU(int64_t channels, double slope, Caller caller) {
  if (channels < 1) raise<ValueError>(caller, "PReLU: {} channels", channels);
  weight = full({channels}, slope, {}, caller);
  add("weight", weight);
}

Tensor PReLU::forward(const Tensor& x, Caller caller) const {
  static const Elementwise f{"prelu", [](Expr x, Expr slope) { return where(x > Expr(0.0), x, x * slope); }};
  const Scope scope(*this, caller);
  const int64_t channels = weight.shape()[0];
  if (channels == 1) return f({x, caller}, {weight, caller});
  if (x.rank() < 2 || x.shape()[1] != channels) {
    raise<ShapeError>(caller, "PReLU: input {} is not [batch, {}, ...]", x.shape(), channels);
  }
  Shape shape{channels};
  for (int axis = 2; axis < x.rank(); ++axis) shape.push_back(1);
  return f({x, caller}, {weight.reshape(shape), caller});
}

std::string PReLU::description() const { return fmt::format("{}", weight.shape()[0]); }

SwiGLU::SwiGLU(int64_t dim, int64_t hidden, LinearOptions options, Caller caller)
    : gate(dim, hidden, options, caller), up(dim, hidden, options, caller), down(hidden, dim, options, caller) {
  add("gate", gate);
  add("up", up);
  add("down", down);
}

Tensor SwiGLU::forward(const Tensor& x, Caller caller) const {
  static const Elementwise f{"swiglu", [](Expr a, Expr b) { return a * sigmoid(a) * b; }};
  const Scope scope(*this, caller);
  return down.forward(f(gate.forward(x, caller), up.forward(x, caller)), caller);
}

Bilinear::Bilinear(int64_t in1, int64_t in2, int64_t out, LinearOptions options, Caller caller) {
  if (in1 < 1 || in2 < 1 || out < 1) {
    raise<ValueError>(caller, "Bilinear: sizes {}, {} and {} must be positive", in1, in2, out);
  }
  weight = init::by_fan({out, in1, in2}, in1, caller);
  add("weight", weight);
  if (!options.bias) return;
  bias = init::by_fan({out}, in1, caller);
  add("bias", bias);
}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b, Caller caller) const {
  const Scope scope(*this, caller);
  const int64_t out = weight.shape()[0], in1 = weight.shape()[1], in2 = weight.shape()[2];
  Shape leading = a.shape();
  if (leading.rank() > 0) leading.erase(leading.rank() - 1);
  Shape want_b = leading;
  want_b.push_back(in2);
  if (a.rank() == 0 || a.shape().back() != in1 || b.shape() != want_b) {
    raise<ShapeError>(caller, "Bilinear: inputs {} and {} are not [..., {}] and [..., {}]", a.shape(), b.shape(), in1,
                      in2);
  }
  // (a W_o) for all o as one product, then a dot product with b each: [n, out, in2] [n, in2, 1].
  const Tensor rows = a.reshape({-1, in1});
  const Tensor half = matmul(rows, weight.permute({1, 0, 2}).reshape({in1, out * in2})).reshape({-1, out, in2});
  const Tensor y = matmul(half, b.reshape({-1, in2, 1})).squeeze(2);
  leading.push_back(out);
  const Tensor shaped = y.reshape(leading);
  return bias.defined() ? shaped + bias : shaped;
}

std::string Bilinear::description() const {
  return fmt::format("{}, {}, {}{}", weight.shape()[1], weight.shape()[2], weight.shape()[0],
                     bias.defined() ? "" : ", bias=false");
}

}  // namespace fovea::nn
