#include "fovea/nn/dropout.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/space.h"

namespace fovea::nn {
namespace {

void check(double p, Caller caller) {
  if (!(p >= 0 && p <= 1)) raise<ValueError>(caller, "dropout: p = {} is not between 0 and 1", p);
}

/// With a random number for each element of `drawn`, which is broadcast to x's shape.
Tensor drop(const Tensor& x, const Shape& drawn, double p, Generator& generator, Caller caller) {
  static const Elementwise f{
      "dropout", [](Expr x, Expr u, Scalar p, Scalar scale) { return where(u >= p, x * scale, Expr(0.0)); }};
  static const Elementwise kept{"dropout",
                                [](Expr x, Expr keep, Scalar scale) { return where(keep, x * scale, Expr(0.0)); }};
  if (p == 0) return x;
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  if (!is_half(x)) return f({x, caller}, rand(drawn, x.options(), generator), p, scale);
  // Half precision holds few numbers next to 1.
  return kept({x, caller}, ge(rand(drawn, {f32, x.device()}, generator), p), scale);
}

/// Whole channels, before `space` axes.
Tensor drop_channels(const char* name, const Tensor& x, int space, double p, Generator& generator, Caller caller) {
  const ErrorScope scope(caller);
  check(p, caller);
  raw::check_defined(name, x, caller);
  check_space(name, x, space, caller);
  Shape drawn = x.shape();
  for (int axis = x.rank() - space; axis < x.rank(); ++axis) drawn[axis] = 1;
  return drop(x, drawn, p, generator, caller);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& generator, Caller caller) {
  const ErrorScope scope(caller);
  check(p, caller);
  raw::check_defined("dropout", x, caller);
  return drop(x, x.shape(), p, generator, caller);
}

Tensor dropout1d(const Tensor& x, double p, Generator& generator, Caller caller) {
  return drop_channels("dropout1d", x, 1, p, generator, caller);
}

Tensor dropout2d(const Tensor& x, double p, Generator& generator, Caller caller) {
  return drop_channels("dropout2d", x, 2, p, generator, caller);
}

Tensor dropout3d(const Tensor& x, double p, Generator& generator, Caller caller) {
  return drop_channels("dropout3d", x, 3, p, generator, caller);
}

DropoutLayer::DropoutLayer(Function function, double p, Caller caller) : function_(function), p_(p) {
  check(p, caller);
}

Tensor DropoutLayer::forward(const Tensor& x, Caller caller) const {
  if (!training()) return x;
  const Scope scope(*this, caller);
  return function_(x, p_, default_generator(), caller);
}

std::string DropoutLayer::description() const { return fmt::format("{}", p_); }

}  // namespace fovea::nn
