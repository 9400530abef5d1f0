#include "fovea/nn/location_attention.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

LocationAwareAttention::LocationAwareAttention(int64_t query_dim, int64_t key_dim, int64_t hidden,
                                               LocationAttentionOptions options, Caller caller)
    : query(query_dim, hidden, {}, caller),
      key(key_dim, hidden, {.bias = false}, caller),
      location(options.filters, hidden, {.bias = false}, caller),
      conv(1, options.filters, options.kernel, {.padding = options.kernel / 2, .bias = false}, caller),
      options_(options) {
  if (hidden < 1 || options.kernel % 2 == 0) {
    raise<ValueError>(caller, "LocationAwareAttention: a width of {} must be positive and a kernel of {} odd", hidden,
                      options.kernel);
  }
  weight = init::by_fan({hidden}, hidden, caller);
  add("query", query);
  add("key", key);
  add("location", location);
  add("conv", conv);
  add("weight", weight);
}

Attended LocationAwareAttention::forward(const Tensor& s, const Tensor& h, const Tensor& previous, const Tensor& keep,
                                         Caller caller) const {
  static const Elementwise first{"location_score", [](Expr q, Expr k, Expr w) { return tanh(q + k) * w; }};
  static const Elementwise later{"location_aware_score",
                                 [](Expr q, Expr k, Expr f, Expr w) { return tanh(q + k + f) * w; }};
  const Scope scope(*this, caller);
  if (s.rank() != 2 || h.rank() != 3 || s.shape()[0] != h.shape()[0]) {
    raise<ShapeError>(caller,
                      "LocationAwareAttention: state {} and memory {} are not [batch, {}] and [batch, time, {}]",
                      s.shape(), h.shape(), query.weight.shape()[1], key.weight.shape()[1]);
  }
  const Shape rows{h.shape()[0], h.shape()[1]};
  for (const Tensor* x : {&previous, &keep}) {
    if (x->defined() && x->shape() != rows) {
      raise<ShapeError>(caller, "LocationAwareAttention: weights or keep {} are not {}", x->shape(), rows);
    }
  }
  const Tensor q = query.forward(s, caller).unsqueeze(1), k = key.forward(h, caller);
  Tensor scores;
  if (previous.defined()) {
    const Tensor f = location.forward(conv.forward(previous.unsqueeze(1), caller).mT(), caller);
    scores = later.sum(-1, false, {q, k, f, weight});
  } else {
    scores = first.sum(-1, false, {q, k, weight});
  }
  Tensor weights = attention_weights(scores, keep, options_.weights, options_.temperature, caller);
  Tensor read = attention_read(weights.unsqueeze(1), h, caller).squeeze(1);
  return {std::move(read), std::move(weights)};
}

std::string LocationAwareAttention::description() const {
  return fmt::format("{}, {}, {} filters of {}", query.weight.shape()[1], key.weight.shape()[1], conv.weight.shape()[0],
                     conv.weight.shape()[2]);
}

}  // namespace fovea::nn
