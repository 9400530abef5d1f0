#include "fovea/nn/sparse_weights.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

Tensor sparsemax(const Tensor& x, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("sparsemax", x, caller);
  if (x.rank() == 0) raise<ShapeError>(caller, "sparsemax: a scalar has no axis");
  if (x.shape().back() == 0) return x;
  // With z sorted downwards, k is the greatest position with 1 + k z_k > z_1 + ... + z_k, and what exceeds
  // (z_1 + ... + z_k - 1) / k remains.
  static const Elementwise in_support{"sparsemax_support", [](Expr z, Expr total, Expr k) {
                                        return where(Expr(1.0) + k * z > total, Expr(1.0), Expr(0.0));
                                      }};
  // What lies below -1 is never in the support: the weight of 0, the greatest, would exceed 1. So sums stay finite that
  // are made of masked scores, each the lowest of its dtype; f16 would not tell the positions of a long row apart either.
  static const Elementwise shifted{"sparsemax_shift", [](Expr x, Expr top) { return maximum(x - top, -2.0); }};
  static const Elementwise excess{"sparsemax", [](Expr x, Expr top, Expr total, Expr count) {
                                    return maximum(x - top - (total - Expr(1.0)) / count, Expr(0.0));
                                  }};
  static const Elementwise centred{"sparsemax_backward", [](Expr g, Expr support, Expr total, Expr count) {
                                     return where(support, g - total / count, Expr(0.0));
                                   }};
  Tensor out = [&] {
    const NoGrad off;
    const Tensor wide = widened(x), top = amax(wide, -1, true, caller);
    const Tensor z = sort(shifted(wide, top), -1, true, caller).values;
    const Tensor ranks = arange(1, static_cast<double>(x.shape().back()) + 1, 1, wide.options());
    const Tensor support = in_support(z, cumsum(z, -1), ranks);
    static const Elementwise inside{"sparsemax_inside", [](Expr z, Expr support) { return where(support, z, 0.0); }};
    return excess(wide, top, inside.sum(-1, true, {z, support}), sum(support, -1, true)).to(x.dtype());
  }();
  const Tensor support = [&] {
    const NoGrad off;
    return gt(out, 0.0);
  }();
  return record(
      "sparsemax", std::move(out), {x},
      [support = Saved(support)](const Tensor& g) {
        const Tensor ones = support->to(g.dtype());
        return Gradients{centred(g, *support, sum(g * ones, -1, true), sum(ones, -1, true))};
      },
      caller);
}

namespace {

/// Which elements of z = (x - top) / 2 have a weight in entmax15: 1 or 0. With z sorted downwards, mean_k and v_k the
/// mean of the first k and the sum of their squared deviations, tau_k = mean_k - sqrt((1 - v_k) / k), and the support is
/// the greatest k with z_k >= tau_k.
Tensor entmax_support(const Tensor& x, const Tensor& top) {
  // What lies below -1 is never in the support: the weight of 0, the greatest, would exceed 1.
  static const Elementwise shifted{"entmax_shift", [](Expr x, Expr top) { return maximum((x - top) * 0.5, -2.0); }};
  static const Elementwise threshold{"entmax_threshold", [](Expr total, Expr squares, Expr k) {
                                       const Expr mean = total / k;
                                       return mean - sqrt(maximum((1.0 - (squares - total * mean)) / k, 0.0));
                                     }};
  static const Elementwise reached{"entmax_reached", [](Expr z, Expr tau) { return where(z >= tau, 1.0, 0.0); }};
  static const Elementwise last{"entmax_last",
                                [](Expr tau, Expr k, Expr count) { return where(k == count, tau, 0.0); }};
  static const Elementwise above{"entmax_support", [](Expr z, Expr tau) { return where(z > tau, 1.0, 0.0); }};
  const Tensor z = shifted(widened(x), widened(top));
  const Tensor sorted = sort(z, -1, true).values;
  const Tensor k = arange(1, static_cast<double>(x.shape().back()) + 1, 1, z.options());
  const Tensor tau = threshold(cumsum(sorted, -1), cumsum(square(sorted), -1), k);
  const Tensor count = reached.sum(-1, true, {sorted, tau});
  return above(z, last.sum(-1, true, {tau, k, count})).to(x.dtype());
}

}  // namespace

Tensor entmax15(const Tensor& x, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("entmax15", x, caller);
  if (x.rank() == 0) raise<ShapeError>(caller, "entmax15: a scalar has no axis");
  if (x.shape().back() == 0) return x;
  // On a support that small changes leave as it is, weights are an ordinary function of the scores in it.
  static const Elementwise inside{"entmax_inside",
                                  [](Expr x, Expr top, Expr support) { return where(support, (x - top) * 0.5, 0.0); }};
  static const Elementwise deviation{
      "entmax_deviation", [](Expr z, Expr mean, Expr support) { return where(support, square(z - mean), 0.0); }};
  static const Elementwise weight{"entmax15", [](Expr z, Expr mean, Expr spread, Expr count, Expr support) {
                                    const Expr above = z - mean + sqrt((1.0 - spread) / count);
                                    return where(support, square(above), 0.0);
                                  }};
  Tensor top, support, count;
  {
    const NoGrad off;
    top = amax(x, -1, true);
    support = entmax_support(x, top);
    count = sum(support, -1, true);
  }
  const Tensor z = inside(x, top, support);
  const Tensor mean = sum(z, -1, true) / count;
  const Tensor spread = deviation.sum(-1, true, {z, mean, support});
  return weight.all({z, mean, spread, count, support})[0];
}

}  // namespace fovea::nn
