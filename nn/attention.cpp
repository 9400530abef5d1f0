#include "fovea/nn/attention.h"

#include <cmath>
#include <limits>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

std::string_view name(Score score) {
  switch (score) {
    case Score::dot:
      return "dot";
    case Score::scaled_dot:
      return "scaled_dot";
    case Score::cosine:
      return "cosine";
    case Score::bilinear:
      return "bilinear";
    case Score::additive:
      return "additive";
  }
  return "?";
}

std::string_view name(Weights weights) {
  switch (weights) {
    case Weights::softmax:
      return "softmax";
    case Weights::sum:
      return "sum";
    case Weights::exp:
      return "exp";
    case Weights::sparsemax:
      return "sparsemax";
  }
  return "?";
}

namespace {

/// Below every score, yet not so that it makes a NaN.
double lowest(DType dtype) {
  if (dtype == f64) return std::numeric_limits<double>::lowest();
  return dtype == f16 ? -65504.0 : static_cast<double>(-3.38e38f);
}

void check_parameters(const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& p, Caller caller) {
  if (query.rank() < 2 || keys.rank() < 2) {
    raise<ShapeError>(caller, "attention: query {} and keys {} need two axes or more", query.shape(), keys.shape());
  }
  const int64_t dq = query.shape().back(), d = keys.shape().back();
  const auto require = [&](const Tensor& x, const char* name, const Shape& shape) {
    if (!x.defined() || x.shape() != shape) {
      raise<ShapeError>(caller, "attention: {} scores need {} of shape {}, not {}", fovea::nn::name(score), name, shape,
                        x.defined() ? to_string(x.shape()) : "none");
    }
  };
  if (score == Score::bilinear) return require(p.w, "w", {dq, d});
  if (score == Score::additive) {
    if (!p.u.defined() || p.u.rank() != 1) {
      raise<ShapeError>(caller, "attention: additive scores need u of one axis");
    }
    require(p.wq, "wq", {dq, p.u.shape()[0]});
    return require(p.wk, "wk", {d, p.u.shape()[0]});
  }
  if (dq != d) {
    raise<ShapeError>(caller, "attention: {} scores need one width: query {}, keys {}", fovea::nn::name(score),
                      query.shape(), keys.shape());
  }
}

}  // namespace

Tensor attention_scores(const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& parameters,
                        Caller caller) {
  static const Elementwise cosine{
      "cosine", [](Expr dot, Expr q, Expr k) { return dot / (maximum(q, Expr(1e-8)) * maximum(k, Expr(1e-8))); }};
  static const Elementwise additive{"additive_score", [](Expr q, Expr k, Expr u) { return tanh(q + k) * u; }};
  const ErrorScope scope(caller);
  check_parameters(query, keys, score, parameters, caller);
  switch (score) {
    case Score::dot:
      return matmul(query, keys.mT());
    case Score::scaled_dot:
      return matmul(query * (1 / std::sqrt(static_cast<double>(std::max<int64_t>(query.shape().back(), 1)))),
                    keys.mT());
    case Score::cosine:
      return cosine(matmul(query, keys.mT()), norm(query, -1, true), norm(keys, -1, true).mT());
    case Score::bilinear:
      return matmul(matmul(query, parameters.w), keys.mT());
    case Score::additive: {
      const Tensor q = matmul(query, parameters.wq).unsqueeze(-2), k = matmul(keys, parameters.wk).unsqueeze(-3);
      return additive.sum(-1, false, {q, k, parameters.u});
    }
  }
  return {};
}

Tensor attention_weights(const Tensor& given, const Tensor& keep, Weights weights, double temperature, Caller caller) {
  static const Elementwise positive{"attention_sum",
                                    [](Expr s, Expr keep) { return where(keep, softplus(s), Expr(0.0)); }};
  static const Elementwise exponential{"attention_exp",
                                       [](Expr s, Expr keep) { return where(keep, exp(s), Expr(0.0)); }};
  static const Elementwise share{
      "attention_share", [](Expr part, Expr total) { return part / where(total == Expr(0.0), Expr(1.0), total); }};
  const ErrorScope scope(caller);
  if (!(temperature > 0)) raise<ValueError>(caller, "attention: temperature {} is not positive", temperature);
  if (keep.defined() && keep.dtype() != boolean) {
    raise<DTypeError>(caller, "attention: keep must be bool, not {}", keep.dtype());
  }
  const Tensor scores = temperature == 1 ? given : given * (1 / temperature);
  const Operand kept = keep.defined() ? Operand(keep) : Operand(1.0);
  // What is masked scores less than anything; a row without any key, where that is all there is, is emptied after.
  const auto masked = [&](Tensor (*normalized)(const Tensor&, Caller)) {
    if (!keep.defined()) return normalized(scores, caller);
    return where(keep, normalized(where(keep, scores, lowest(scores.dtype())), caller), 0.0);
  };
  switch (weights) {
    case Weights::softmax:
      return masked([](const Tensor& s, Caller c) { return softmax(s, -1, c); });
    case Weights::sparsemax:
      return masked([](const Tensor& s, Caller c) { return sparsemax(s, c); });
    case Weights::sum: {
      const Tensor parts = positive(scores, kept);
      return share(parts, sum(parts, -1, true));
    }
    case Weights::exp:
      return exponential(scores, kept);
  }
  return {};
}

Tensor attention_read(const Tensor& weights, const Tensor& values, Caller caller) {
  return matmul(weights, values, caller);
}

Tensor sparsemax(const Tensor& x, Caller caller) {
  if (x.rank() == 0) raise<ShapeError>(caller, "sparsemax: a scalar has no axis");
  if (x.shape().back() == 0) return x;
  // With z sorted downwards, k is the greatest position with 1 + k z_k > z_1 + ... + z_k, and what exceeds
  // (z_1 + ... + z_k - 1) / k remains.
  static const Elementwise in_support{"sparsemax_support", [](Expr z, Expr total, Expr k) {
                                        return where(Expr(1.0) + k * z > total, Expr(1.0), Expr(0.0));
                                      }};
  static const Elementwise excess{"sparsemax", [](Expr x, Expr top, Expr total, Expr count) {
                                    return maximum(x - top - (total - Expr(1.0)) / count, Expr(0.0));
                                  }};
  static const Elementwise centred{"sparsemax_backward", [](Expr g, Expr support, Expr total, Expr count) {
                                     return where(support, g - total / count, Expr(0.0));
                                   }};
  Tensor out = [&] {
    const NoGrad off;
    const Tensor top = amax(x, -1, true, caller);
    const Tensor z = sort(x - top, -1, true, caller).values;
    const Tensor ranks = arange(1, static_cast<double>(x.shape().back()) + 1, 1, x.options());
    const Tensor support = in_support(z, cumsum(z, -1), ranks);
    static const Elementwise inside{"sparsemax_inside", [](Expr z, Expr support) { return where(support, z, 0.0); }};
    return excess(x, top, inside.sum(-1, true, {z, support}), sum(support, -1, true));
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

Attended attention_pool(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                        const AttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  if (query.rank() != 2 || keys.rank() != 3 || values.rank() != 3 || keys.shape()[0] != query.shape()[0] ||
      values.shape()[0] != query.shape()[0] || values.shape()[1] != keys.shape()[1]) {
    raise<ShapeError>(caller,
                      "attention_pool: query {}, keys {} and values {} are not [B, D], [B, T, D] and [B, T, Dv]",
                      query.shape(), keys.shape(), values.shape());
  }
  const Tensor scores =
      attention_scores(query.unsqueeze(1), keys, options.score, options.parameters, caller).squeeze(1);
  if (keep.defined() && keep.shape() != scores.shape()) {
    raise<ShapeError>(caller, "attention_pool: keep {} is not {}", keep.shape(), scores.shape());
  }
  Tensor weights = attention_weights(scores, keep, options.weights, options.temperature, caller);
  Tensor read = attention_read(weights.unsqueeze(1), values, caller).squeeze(1);
  return {std::move(read), std::move(weights)};
}

}  // namespace fovea::nn
