#include "fovea/nn/sequence_attention.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

SequenceAttention::SequenceAttention(int64_t query_dim, int64_t key_dim, SequenceAttentionOptions options,
                                     Caller caller)
    : query_dim_(query_dim), key_dim_(key_dim), options_(options) {
  if (query_dim < 1 || key_dim < 1 || options.hidden < 0 || options.value_dim < 0) {
    raise<ValueError>(caller, "SequenceAttention: sizes {}, {}, {} and {} must be positive", query_dim, key_dim,
                      options.hidden, options.value_dim);
  }
  if (!(options.temperature > 0)) {
    raise<ValueError>(caller, "SequenceAttention: temperature {} is not positive", options.temperature);
  }
  if (options.score == Score::location && options.length < 1) {
    raise<ValueError>(caller, "SequenceAttention: location scores need a greatest length");
  }
  const auto make = [this, caller](const char* name, Tensor& parameter, const Shape& shape) {
    parameter = init::by_fan(shape, shape[0], caller);
    add(name, parameter);
  };
  if (options.score == Score::bilinear) make("weight", weight, {query_dim, key_dim});
  if (options.score == Score::location) make("weight", weight, {query_dim, options.length});
  if (options.score == Score::additive) {
    const int64_t hidden = options.hidden > 0 ? options.hidden : key_dim;
    make("wq", wq, {query_dim, hidden});
    make("wk", wk, {key_dim, hidden});
    make("u", u, {hidden});
  }
  if (options.adaptive_temperature) {
    temperature = std::make_unique<AdaptiveTemperature>(query_dim);
    add("warmth", *temperature);  // the name in files
  }
  if (options.gate) {
    const int64_t value_dim = options.value_dim > 0 ? options.value_dim : key_dim;
    gate = std::make_unique<Linear>(query_dim + value_dim, value_dim, LinearOptions{}, caller);
    add("gate", *gate);
  }
}

AttentionOptions SequenceAttention::settle(const Tensor& query, Caller caller) const {
  return {.score = options_.score,
          .weights = options_.weights,
          .temperature = options_.temperature,
          .parameters = {.w = weight, .wq = wq, .wk = wk, .u = u},
          .temperatures = temperature ? temperature->forward(query, caller) : Tensor()};
}

Tensor SequenceAttention::gated(const Tensor& query, const Tensor& read, Caller caller) const {
  return gate ? read * sigmoid(gate->forward(concat({query, read}, -1), caller)) : read;
}

Tensor SequenceAttention::forward(const Tensor& query, const Tensor& keys, const Tensor& values, const Tensor& keep,
                                  Caller caller) const {
  const Scope scope(*this, caller);
  return gated(query, attend(query, keys, values, keep, settle(query, caller), caller), caller);
}

Tensor SequenceAttention::forward(const Tensor& x, const Tensor& keep, Caller caller) const {
  return forward(x, x, x, keep, caller);
}

Attended SequenceAttention::forward_with_weights(const Tensor& query, const Tensor& keys, const Tensor& values,
                                                 const Tensor& keep, Caller caller) const {
  const Scope scope(*this, caller);
  Attended out = attend_with_weights(query, keys, values, keep, settle(query, caller), caller);
  return {gated(query, out.read, caller), std::move(out.weights)};
}

std::string SequenceAttention::description() const {
  return fmt::format("{}, {}, score={}, weights={}", query_dim_, key_dim_, name(options_.score),
                     name(options_.weights));
}

}  // namespace fovea::nn
