#include "fovea/nn/dropout.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"

namespace fovea::nn {
namespace {

void check(double p, Caller caller) {
  if (!(p >= 0 && p <= 1)) raise<ValueError>(caller, "dropout: p = {} is not between 0 and 1", p);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& generator, Caller caller) {
  static const Elementwise f{
      "dropout", [](Expr x, Expr u, Scalar p, Scalar scale) { return where(u >= p, x * scale, Expr(0.0)); }};
  static const Elementwise kept{"dropout",
                                [](Expr x, Expr keep, Scalar scale) { return where(keep, x * scale, Expr(0.0)); }};
  const ErrorScope scope(caller);
  check(p, caller);
  raw::check_defined("dropout", x, caller);
  if (p == 0) return x;
  const double scale = p < 1 ? 1 / (1 - p) : 0;
  if (!is_half(x)) return f({x, caller}, rand(x.shape(), x.options(), generator), p, scale);
  // Half precision holds few numbers next to 1.
  return kept({x, caller}, ge(rand(x.shape(), {f32, x.device()}, generator), p), scale);
}

Dropout::Dropout(double p, Caller caller) : p_(p) { check(p, caller); }

Tensor Dropout::forward(const Tensor& x, Caller caller) const {
  if (!training()) return x;
  const Scope scope(*this, caller);
  return dropout(x, p_, default_generator(), caller);
}

std::string Dropout::description() const { return fmt::format("{}", p_); }

}  // namespace fovea::nn
