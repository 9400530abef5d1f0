#include "fovea/nn/attention_pool.h"

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

AttentionPool::AttentionPool(int64_t dim, AttentionPoolOptions options, Caller caller) : dim_(dim), options_(options) {
  if (dim < 1 || options.hidden < 0) {
    raise<ValueError>(caller, "AttentionPool: sizes {} and {} must be positive", dim, options.hidden);
  }
  if (!(options.temperature > 0)) {
    raise<ValueError>(caller, "AttentionPool: temperature {} is not positive", options.temperature);
  }
  const bool additive = options.score == Score::additive;
  const int64_t width = additive && options.hidden > 0 ? options.hidden : dim;
  query = init::by_fan({width}, width, caller);
  add("query", query);
  if (additive) {
    key = std::make_unique<Linear>(dim, width, LinearOptions{}, caller);
    add("key", *key);
  }
  if (options.score == Score::location && options.length < 1) {
    raise<ValueError>(caller, "AttentionPool: location scores need a greatest length");
  }
  if (options.score == Score::bilinear || options.score == Score::location) {
    weight = init::by_fan({dim, options.score == Score::bilinear ? dim : options.length}, dim, caller);
    add("weight", weight);
  }
  if (options.gate) {
    gate = std::make_unique<Linear>(dim, dim, LinearOptions{}, caller);
    add("gate", *gate);
  }
}

Tensor AttentionPool::scores(const Tensor& x, Caller caller) const {
  if (key) return matmul(tanh(key->forward(x, caller)), query, caller);
  return attention_scores(query.unsqueeze(0), x, options_.score, {.w = weight}, caller).squeeze(-2);
}

Attended AttentionPool::forward_with_weights(const Tensor& x, const Tensor& keep, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() != 3 || x.shape()[2] != dim_) {
    raise<ShapeError>(caller, "AttentionPool: input {} is not [batch, time, {}]", x.shape(), dim_);
  }
  if (keep.defined() && keep.shape() != Shape{x.shape()[0], x.shape()[1]}) {
    raise<ShapeError>(caller, "AttentionPool: keep {} for an input of {}", keep.shape(), x.shape());
  }
  Tensor weights = attention_weights(scores(x, caller), keep, options_.weights, options_.temperature, caller);
  Tensor read = attention_read(weights.unsqueeze(1), x, caller).squeeze(1);
  if (gate) read = read * sigmoid(gate->forward(read, caller));
  return {std::move(read), std::move(weights)};
}

Tensor AttentionPool::forward(const Tensor& x, const Tensor& keep, Caller caller) const {
  return forward_with_weights(x, keep, caller).read;
}

std::string AttentionPool::description() const {
  std::string text = fmt::format("{}, score={}, weights={}", dim_, name(options_.score), name(options_.weights));
  if (options_.temperature != 1) text += fmt::format(", temperature={}", options_.temperature);
  return text;
}

}  // namespace fovea::nn
