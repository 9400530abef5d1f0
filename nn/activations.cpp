#include "fovea/nn/activations.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

Tensor glu(const Tensor& x, int axis, Caller caller) {
  const ErrorScope scope(caller);
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
  if (channels == 1) return f({x, caller}, {x.rank(caller) == 0 ? weight.reshape({}) : weight, caller});
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

}  // namespace fovea::nn
