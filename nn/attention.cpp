#include "fovea/nn/attention.h"

#include <cmath>
#include <limits>

#include "fovea/autograd/attention.h"
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
    case Score::location:
      return "location";
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
    case Weights::entmax15:
      return "entmax15";
  }
  return "?";
}

namespace {

/// Below every score, yet not so that it makes a NaN.
double lowest(DType dtype) {
  if (dtype == f64) return std::numeric_limits<double>::lowest();
  return dtype == f16 ? -65504.0 : static_cast<double>(-3.38e38f);
}

// Messages begin with the operation that was called, `of`.
void check_parameters(const char* of, const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& p,
                      Caller caller) {
  for (const Tensor* x : {&query, &keys}) raw::check_defined(of, *x, caller);
  if (query.rank() < 2 || keys.rank() < 2) {
    raise<ShapeError>(caller, "{}: query {} and keys {} need two axes or more", of, query.shape(), keys.shape());
  }
  const int64_t dq = query.shape().back(), d = keys.shape().back();
  const auto require = [&](const Tensor& x, const char* name, const Shape& shape) {
    if (!x.defined() || x.shape() != shape) {
      raise<ShapeError>(caller, "{}: {} scores need {} of shape {}, not {}", of, fovea::nn::name(score), name, shape,
                        x.defined() ? to_string(x.shape()) : "none");
    }
  };
  if (score == Score::bilinear) return require(p.w, "w", {dq, d});
  if (score == Score::location) {
    const int64_t keys_given = keys.shape()[keys.rank() - 2];
    if (!p.w.defined() || p.w.rank() != 2 || p.w.shape()[0] != dq || p.w.shape()[1] < keys_given) {
      raise<ShapeError>(caller, "{}: location scores need w of shape [{}, {} or more], not {}", of, dq, keys_given,
                        p.w.defined() ? to_string(p.w.shape()) : "none");
    }
    return;
  }
  if (score == Score::additive) {
    if (!p.u.defined() || p.u.rank() != 1) {
      raise<ShapeError>(caller, "{}: additive scores need u of one axis", of);
    }
    require(p.wq, "wq", {dq, p.u.shape()[0]});
    return require(p.wk, "wk", {d, p.u.shape()[0]});
  }
  if (dq != d) {
    raise<ShapeError>(caller, "{}: {} scores need one width: query {}, keys {}", of, fovea::nn::name(score),
                      query.shape(), keys.shape());
  }
}

/// Query and keys whose plain products are the scores; undefined where the score is no product.
struct Products {
  Tensor query, keys;
};

Products products_of(const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& p) {
  switch (score) {
    case Score::dot:
      return {query, keys};
    case Score::scaled_dot:
      return {query * (1 / std::sqrt(static_cast<double>(std::max<int64_t>(query.shape().back(), 1)))), keys};
    case Score::cosine:
      return {l2_normalize(query, -1, 1e-8), l2_normalize(keys, -1, 1e-8)};
    case Score::bilinear:
      return {matmul(query, p.w), keys};
    case Score::additive:
    case Score::location:
      break;
  }
  return {};
}

/// What the scores are divided by: a number, and a tensor where there is one.
Tensor tempered(const Tensor& x, const AttentionOptions& options) {
  const Tensor cooled = options.temperature == 1 ? x : x * (1 / options.temperature);
  return options.temperatures.defined() ? cooled / options.temperatures : cooled;
}

void check_temperatures(const char* name, const AttentionOptions& options, const Shape& expected, Caller caller) {
  const Tensor& given = options.temperatures;
  if (!given.defined() || given.shape() == expected) return;
  raise<ShapeError>(caller, "{}: temperatures {} are not {}", name, given.shape(), expected);
}

void check_temperature(const char* of, double temperature, Caller caller) {
  if (!(temperature > 0)) raise<ValueError>(caller, "{}: temperature {} is not positive", of, temperature);
}

void check_sequences(const char* of, const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                     const AttentionOptions& options, Caller caller) {
  for (const Tensor* x : {&query, &keys, &values}) raw::check_defined(of, *x, caller);
  if (query.rank() != 3 || keys.rank() != 3 || values.rank() != 3 || keys.shape()[0] != query.shape()[0] ||
      values.shape()[0] != query.shape()[0] || values.shape()[1] != keys.shape()[1]) {
    raise<ShapeError>(caller, "{}: query {}, keys {} and values {} are not [B, Q, D], [B, T, D] and [B, T, Dv]", of,
                      query.shape(), keys.shape(), values.shape());
  }
  const int64_t batch = query.shape()[0], queries = query.shape()[1], times = keys.shape()[1];
  if (keep.defined() && keep.shape() != Shape{batch, times} && keep.shape() != Shape{batch, queries, times}) {
    raise<ShapeError>(caller, "{}: keep {} is neither {} nor {}", of, keep.shape(), Shape{batch, times},
                      Shape{batch, queries, times});
  }
  check_temperatures(of, options, {batch, queries, 1}, caller);
  check_temperature(of, options.temperature, caller);
}

Tensor scores_of(const char* of, const Tensor& query, const Tensor& keys, Score score,
                 const ScoreParameters& parameters, Caller caller) {
  static const Elementwise additive{"additive_score", [](Expr q, Expr k, Expr u) { return tanh(q + k) * u; }};
  check_parameters(of, query, keys, score, parameters, caller);
  if (score == Score::additive) {
    const Tensor q = matmul(query, parameters.wq).unsqueeze(-2), k = matmul(keys, parameters.wk).unsqueeze(-3);
    return additive.sum(-1, false, {q, k, parameters.u});
  }
  if (score == Score::location) {
    const Tensor scores = matmul(query, parameters.w.slice(1, 0, keys.shape()[keys.rank() - 2]));
    Shape shape = keys.shape();  // [..., Q, T]
    shape[shape.rank() - 1] = shape[shape.rank() - 2];
    shape[shape.rank() - 2] = query.shape()[query.rank() - 2];
    return scores.expand(broadcast_shapes(shape, scores.shape(), of, caller));
  }
  const auto [q, k] = products_of(query, keys, score, parameters);
  return matmul(q, k.mT());
}

Tensor weights_of(const char* of, const Tensor& scores, const Tensor& keep, Weights weights, Caller caller) {
  // log(softplus(s)), which is s where softplus itself would vanish.
  static const Elementwise log_positive{"attention_sum", [](Expr s) {
                                          const Expr small = s < -40;
                                          return where(small, s, log(softplus(where(small, -40.0, s))));
                                        }};
  // The inner choice keeps an infinity at a masked key out of the gradient.
  static const Elementwise exponential{"attention_exp",
                                       [](Expr s, Expr keep) { return where(keep, exp(where(keep, s, 0.0)), 0.0); }};
  if (keep.defined() && keep.dtype() != boolean) {
    raise<DTypeError>(caller, "{}: keep must be bool, not {}", of, keep.dtype());
  }
  // What is masked scores less than anything; a row without any key, where that is all there is, is emptied after.
  const auto masked = [&](const Tensor& s, Tensor (*normalized)(const Tensor&, Caller)) {
    if (!keep.defined()) return normalized(s, caller);
    return where(keep, normalized(where(keep, s, lowest(s.dtype())), caller), 0.0);
  };
  const auto softmax_of_last = [](const Tensor& s, Caller c) { return softmax(s, -1, c); };
  switch (weights) {
    case Weights::softmax:
      return masked(scores, softmax_of_last);
    case Weights::sum:
      return masked(log_positive(scores), softmax_of_last);
    case Weights::sparsemax:
      return masked(scores, sparsemax);
    case Weights::entmax15:
      return masked(scores, entmax15);
    case Weights::exp:
      return exponential(scores, keep.defined() ? Operand(keep) : Operand(1.0));
  }
  return {};
}

/// The three steps of tensors that check_sequences has seen.
Attended attended(const char* of, const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                  const AttentionOptions& options, Caller caller) {
  const Tensor scores = scores_of(of, query, keys, options.score, options.parameters, caller);
  const Tensor mask = keep.defined() && keep.rank() == 2 ? keep.unsqueeze(1) : keep;
  Tensor weights = weights_of(of, tempered(scores, options), mask, options.weights, caller);
  Tensor read = matmul(weights, values, caller);
  return {std::move(read), std::move(weights)};
}

}  // namespace

Tensor attention_scores(const Tensor& query, const Tensor& keys, Score score, const ScoreParameters& parameters,
                        Caller caller) {
  const ErrorScope scope(caller);
  return scores_of("attention_scores", query, keys, score, parameters, caller);
}

Tensor attention_weights(const Tensor& scores, const Tensor& keep, Weights weights, double temperature, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("attention_weights", scores, caller);
  check_temperature("attention_weights", temperature, caller);
  return weights_of("attention_weights", temperature == 1 ? scores : scores * (1 / temperature), keep, weights, caller);
}

Tensor attention_read(const Tensor& weights, const Tensor& values, Caller caller) {
  for (const Tensor* x : {&weights, &values}) raw::check_defined("attention_read", *x, caller);
  return matmul(weights, values, caller);
}

Attended attention_pool(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                        const AttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  for (const Tensor* x : {&query, &keys, &values}) raw::check_defined("attention_pool", *x, caller);
  if (query.rank() != 2 || keys.rank() != 3 || values.rank() != 3 || keys.shape()[0] != query.shape()[0] ||
      values.shape()[0] != query.shape()[0] || values.shape()[1] != keys.shape()[1]) {
    raise<ShapeError>(caller,
                      "attention_pool: query {}, keys {} and values {} are not [B, D], [B, T, D] and [B, T, Dv]",
                      query.shape(), keys.shape(), values.shape());
  }
  const Shape expected{keys.shape()[0], keys.shape()[1]};
  if (keep.defined() && keep.shape() != expected) {
    raise<ShapeError>(caller, "attention_pool: keep {} is not {}", keep.shape(), expected);
  }
  check_temperatures("attention_pool", options, {query.shape()[0], 1}, caller);
  check_temperature("attention_pool", options.temperature, caller);
  AttentionOptions of_one = options;
  if (of_one.temperatures.defined()) of_one.temperatures = of_one.temperatures.unsqueeze(1);
  const Attended made = attended("attention_pool", query.unsqueeze(1), keys, values, keep, of_one, caller);
  return {made.read.squeeze(1), made.weights.squeeze(1)};
}

Attended attend_with_weights(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                             const AttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  check_sequences("attend_with_weights", query, keys, values, keep, options, caller);
  return attended("attend_with_weights", query, keys, values, keep, options, caller);
}

Tensor attend(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
              const AttentionOptions& options, Caller caller) {
  const ErrorScope scope(caller);
  check_sequences("attend", query, keys, values, keep, options, caller);
  check_parameters("attend", query, keys, options.score, options.parameters, caller);
  const bool product = options.score != Score::additive && options.score != Score::location;
  if (!product || options.weights != Weights::softmax || (keep.defined() && keep.rank() == 3)) {
    return attended("attend", query, keys, values, keep, options, caller).read;
  }
  const auto [q, k] = products_of(query, keys, options.score, options.parameters);
  return scaled_dot_product_attention(tempered(q, options).unsqueeze(1), k.unsqueeze(1), values.unsqueeze(1),
                                      {.scale = 1, .key_padding_keep = keep}, caller)
      .squeeze(1);
}

}  // namespace fovea::nn
