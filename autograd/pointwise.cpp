#include "fovea/autograd/pointwise.h"

#include <cmath>
#include <numbers>

#include "fovea/autograd/graph.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

bool is_whole(Operand x, const char* name) {
  if (!x.tensor) return false;
  raw::check_defined(name, *x.tensor, x.caller);
  return !is_floating(x.tensor->dtype());
}

}  // namespace

Tensor neg(Operand x) {
  static const Elementwise f{"neg", [](Expr x) { return -x; }};
  return f(x);
}

Tensor add(Operand a, Operand b) {
  static const Elementwise f{"add", [](Expr a, Expr b) { return a + b; }};
  return f(a, b);
}

Tensor sub(Operand a, Operand b) {
  static const Elementwise f{"sub", [](Expr a, Expr b) { return a - b; }};
  return f(a, b);
}

Tensor mul(Operand a, Operand b) {
  static const Elementwise f{"mul", [](Expr a, Expr b) { return a * b; }};
  return f(a, b);
}

Tensor div(Operand a, Operand b) {
  static const Elementwise f{"div", [](Expr a, Expr b) { return a / b; }};
  return f(a, b);
}

namespace {

/// A quotient rounded down and what is left. A quotient may be one too great, that of whole numbers because their division
/// drops what is behind the point, that of others because it was rounded; on some devices also one too small.
struct Division {
  Expr quotient, rest;

  Division(Expr a, Expr b) : quotient(floor(a / b)), rest(where(quotient == 0, a, -quotient * b + a)) {
    const Expr astray = (rest < 0) != (b < 0);
    // Of what is smaller than b the quotient is 0 or -1 and never short: b and a little may well be rounded to b.
    const Expr reaches = b != 0 && abs(a) >= abs(b);
    const Expr beyond = rest != 0 && astray, short_of = reaches && abs(rest) >= abs(b) && !astray;
    quotient = where(beyond, quotient - 1, where(short_of, quotient + 1, quotient));
    quotient = where(b != 0 && isnan(rest), rest, quotient);  // of an infinite a
    rest = where(beyond, rest + b, where(short_of, rest - b, rest));
  }
};

/// a, or where it holds b so often that a quotient's digits may not tell how often, what is left: b times the rounded
/// quotient taken off, which is a number without rounding. Devices that round product and sum apart come near b, too.
Expr nearer(Expr a, Expr b) {
  const Expr quotient = a / b, far = abs(quotient) >= 0x1p22 && abs(quotient) < INFINITY;
  return where(far, -where(far, floor(quotient), 0.0) * b + a, a);  // gradients multiply by the quotient either way
}

void check_divisor(const Operand& a, const Operand& b, const char* name) {
  if (b.tensor || b.number != 0 || !is_whole(a, name)) return;
  raise<ValueError>(a.caller, "{}: whole numbers divided by 0", name);
}

}  // namespace

Tensor floor_divide(Operand a, Operand b) {
  static const Elementwise f{"floor_divide", [](Expr a, Expr b) { return Division(a, b).quotient; }};
  check_divisor(a, b, "floor_divide");
  return f(a, b);
}

Tensor remainder(Operand a, Operand b) {
  static const Elementwise of_whole{"remainder", [](Expr a, Expr b) { return Division(a, b).rest; }};
  static const Elementwise f{"remainder", [](Expr a, Expr b) { return Division(nearer(nearer(a, b), b), b).rest; }};
  check_divisor(a, b, "remainder");
  return is_whole(a, "remainder") || is_whole(b, "remainder") ? of_whole(a, b) : f(a, b);
}

Tensor operator%(Operand a, Operand b) { return remainder(a, b); }
Tensor operator-(Operand x) { return neg(x); }
Tensor operator+(Operand a, Operand b) { return add(a, b); }
Tensor operator-(Operand a, Operand b) { return sub(a, b); }
Tensor operator*(Operand a, Operand b) { return mul(a, b); }
Tensor operator/(Operand a, Operand b) { return div(a, b); }
Tensor operator<(Operand a, Operand b) { return lt(a, b); }
Tensor operator<=(Operand a, Operand b) { return le(a, b); }
Tensor operator>(Operand a, Operand b) { return gt(a, b); }
Tensor operator>=(Operand a, Operand b) { return ge(a, b); }

Tensor pow(Operand a, Operand b) {
  static const Elementwise f{"pow", [](Expr a, Expr b) { return pow(a, b); }};
  static const Elementwise squared{"pow", [](Expr a) { return square(a); }};
  static const Elementwise cubed{"pow", [](Expr a) { return square(a) * a; }};
  const bool usual = !b.tensor && (b.number == 2 || b.number == 3);
  if (!usual || !a.tensor || is_whole(a, "pow")) return f(a, b);
  return b.number == 2 ? squared(a) : cubed(a);
}

Tensor atan2(Operand y, Operand x) {
  static const Elementwise f{"atan2", [](Expr y, Expr x) { return atan2(y, x); }};
  return f(y, x);
}

Tensor maximum(Operand a, Operand b) {
  static const Elementwise f{"maximum", [](Expr a, Expr b) { return maximum(a, b); }};
  return f(a, b);
}

Tensor minimum(Operand a, Operand b) {
  static const Elementwise f{"minimum", [](Expr a, Expr b) { return minimum(a, b); }};
  return f(a, b);
}

Tensor logaddexp(Operand a, Operand b) {
  static const Elementwise f{"logaddexp", [](Expr a, Expr b) { return logaddexp(a, b); }};
  return f(a, b);
}

Tensor eq(Operand a, Operand b) {
  static const Elementwise f{"eq", [](Expr a, Expr b) { return a == b; }};
  return f(a, b);
}

Tensor ne(Operand a, Operand b) {
  static const Elementwise f{"ne", [](Expr a, Expr b) { return a != b; }};
  return f(a, b);
}

Tensor lt(Operand a, Operand b) {
  static const Elementwise f{"lt", [](Expr a, Expr b) { return a < b; }};
  return f(a, b);
}

Tensor le(Operand a, Operand b) {
  static const Elementwise f{"le", [](Expr a, Expr b) { return a <= b; }};
  return f(a, b);
}

Tensor gt(Operand a, Operand b) {
  static const Elementwise f{"gt", [](Expr a, Expr b) { return a > b; }};
  return f(a, b);
}

Tensor ge(Operand a, Operand b) {
  static const Elementwise f{"ge", [](Expr a, Expr b) { return a >= b; }};
  return f(a, b);
}

Tensor logical_and(Operand a, Operand b) {
  static const Elementwise f{"logical_and", [](Expr a, Expr b) { return a && b; }};
  return f(a, b);
}

Tensor logical_or(Operand a, Operand b) {
  static const Elementwise f{"logical_or", [](Expr a, Expr b) { return a || b; }};
  return f(a, b);
}

Tensor logical_not(Operand x) {
  static const Elementwise f{"logical_not", [](Expr x) { return !x; }};
  return f(x);
}

Tensor isnan(Operand x) {
  static const Elementwise f{"isnan", [](Expr x) { return isnan(x); }};
  return f(x);
}

Tensor isfinite(Operand x) {
  static const Elementwise f{"isfinite", [](Expr x) { return abs(x) < INFINITY; }};
  static const Elementwise whole{"isfinite", [](Expr x) { return x == x; }};
  return is_whole(x, "isfinite") ? whole(x) : f(x);
}

Tensor isinf(Operand x) {
  static const Elementwise f{"isinf", [](Expr x) { return abs(x) == INFINITY; }};
  static const Elementwise whole{"isinf", [](Expr x) { return x != x; }};
  return is_whole(x, "isinf") ? whole(x) : f(x);
}

Tensor where(Operand condition, Operand a, Operand b) {
  static const Elementwise f{"where", [](Expr c, Expr a, Expr b) { return where(c, a, b); }};
  if (condition.tensor) raw::check_defined("where", *condition.tensor, condition.caller);
  if (!condition.tensor || condition.tensor->dtype() != boolean) {
    raise<DTypeError>(condition.caller, "where: the condition must be a bool tensor");
  }
  return f(condition, a, b);
}

Tensor masked_fill(Operand x, Operand mask, double value) {
  static const Elementwise f{"masked_fill", [](Expr x, Expr mask, Scalar value) { return where(mask, value, x); }};
  if (mask.tensor) raw::check_defined("masked_fill", *mask.tensor, mask.caller);
  if (!mask.tensor || mask.tensor->dtype() != boolean) {
    raise<DTypeError>(mask.caller, "masked_fill: the mask must be a bool tensor");
  }
  return f(x, mask, value);
}

Tensor abs(Operand x) {
  static const Elementwise f{"abs", [](Expr x) { return abs(x); }};
  return f(x);
}

Tensor sign(Operand x) {
  static const Elementwise f{"sign", [](Expr x) { return sign(x); }};
  return f(x);
}

Tensor square(Operand x) {
  static const Elementwise f{"square", [](Expr x) { return square(x); }};
  return f(x);
}

Tensor sqrt(Operand x) {
  static const Elementwise f{"sqrt", [](Expr x) { return sqrt(x); }};
  return f(x);
}

Tensor rsqrt(Operand x) {
  static const Elementwise f{"rsqrt", [](Expr x) { return rsqrt(x); }};
  return f(x);
}

Tensor reciprocal(Operand x) {
  static const Elementwise f{"reciprocal", [](Expr x) { return reciprocal(x); }};
  return f(x);
}

Tensor exp(Operand x) {
  static const Elementwise f{"exp", [](Expr x) { return exp(x); }};
  return f(x);
}

Tensor expm1(Operand x) {
  static const Elementwise f{"expm1", [](Expr x) { return expm1(x); }};
  return f(x);
}

Tensor log(Operand x) {
  static const Elementwise f{"log", [](Expr x) { return log(x); }};
  return f(x);
}

Tensor log1p(Operand x) {
  static const Elementwise f{"log1p", [](Expr x) { return log1p(x); }};
  return f(x);
}

Tensor sin(Operand x) {
  static const Elementwise f{"sin", [](Expr x) { return sin(x); }};
  return f(x);
}

Tensor cos(Operand x) {
  static const Elementwise f{"cos", [](Expr x) { return cos(x); }};
  return f(x);
}

Tensor erf(Operand x) {
  static const Elementwise f{"erf", [](Expr x) { return erf(x); }};
  return f(x);
}

Tensor floor(Operand x) {
  static const Elementwise f{"floor", [](Expr x) { return floor(x); }};
  return f(x);
}

Tensor ceil(Operand x) {
  static const Elementwise f{"ceil", [](Expr x) { return ceil(x); }};
  return f(x);
}

Tensor round(Operand x) {
  static const Elementwise f{"round", [](Expr x) { return round(x); }};
  return f(x);
}

Tensor clamp(Operand x, double low, double high) {
  static const Elementwise f{
      "clamp", [](Expr x, Scalar low, Scalar high) { return where(x >= high, high, where(x <= low, low, x)); }};
  return f(x, std::min(low, high), high);
}

Tensor tanh(Operand x) {
  static const Elementwise f{"tanh", [](Expr x) { return tanh(x); }};
  return f(x);
}

Tensor sigmoid(Operand x) {
  static const Elementwise f{"sigmoid", [](Expr x) { return sigmoid(x); }};
  return f(x);
}

Tensor relu(Operand x) {
  static const Elementwise f{"relu", [](Expr x) { return relu(x); }};
  return f(x);
}

Tensor leaky_relu(Operand x, double slope) {
  static const Elementwise f{"leaky_relu", [](Expr x, Scalar slope) { return where(x > 0, x, x * slope); }};
  return f(x, slope);
}

Tensor elu(Operand x, double alpha) {
  // The exponential sees no positive x, so that the branch not taken cannot overflow into the gradient.
  // At 0 it is a line, so that its second derivative there is 0 as PyTorch's.
  static const Elementwise f{"elu", [](Expr x, Scalar alpha) {
                               const Expr negative = x < 0;
                               return where(x > 0, x,
                                            where(negative, alpha * expm1(where(negative, x, 0.0)), alpha * x));
                             }};
  // What is derived from that computes the exponential twice.
  static const Elementwise slope{"elu_backward", [](Expr g, Expr x, Scalar alpha) {
                                   return g * where(x > 0, 1.0, alpha * exp(where(x >= 0, 0.0, x)));
                                 }};
  if (!x.tensor) return f(x, alpha);
  Tensor y = [&] {
    const NoGrad off;
    return f(x, alpha);
  }();
  return record(
      "elu", std::move(y), {*x.tensor},
      [x = Saved(*x.tensor), alpha](const Tensor& g) { return Gradients{slope(g, *x, alpha)}; }, x.caller);
}

Tensor gelu(Operand x) {
  static const Elementwise f{"gelu", [](Expr x) { return 0.5 * x * (1.0 + erf(x * (1 / std::numbers::sqrt2))); }};
  return f(x);
}

Tensor gelu_tanh(Operand x) {
  static const Elementwise f{"gelu_tanh", [](Expr x) {
                               const double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // sqrt(2 / pi)
                               return 0.5 * x * (1.0 + tanh(scale * (x + 0.044715 * (x * square(x)))));
                             }};
  return f(x);
}

Tensor silu(Operand x) {
  static const Elementwise f{"silu", [](Expr x) { return x * sigmoid(x); }};
  return f(x);
}

Tensor softplus(Operand x) {
  static const Elementwise f{"softplus", [](Expr x) { return softplus(x); }};
  return f(x);
}

Tensor mish(Operand x) {
  static const Elementwise f{"mish", [](Expr x) { return x * tanh(softplus(x)); }};
  return f(x);
}

Tensor hardsigmoid(Operand x) {
  static const Elementwise f{"hardsigmoid",
                             [](Expr x) { return where(x <= -3.0, 0.0, where(x >= 3.0, 1.0, x * (1.0 / 6) + 0.5)); }};
  return f(x);
}

}  // namespace fovea
