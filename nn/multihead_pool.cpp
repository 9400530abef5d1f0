#include "fovea/nn/multihead_pool.h"

#include "fovea/autograd/pointwise.h"
#include "fovea/nn/init.h"

namespace fovea::nn {

MultiheadPool::MultiheadPool(int64_t dim, int64_t heads, MultiheadPoolOptions options, Caller caller)
    : key(dim, dim, {}, caller),
      value(dim, dim, {}, caller),
      out(dim, dim, {}, caller),
      dim_(dim),
      heads_(heads),
      options_(options) {
  if (heads < 1 || dim % heads != 0) {
    raise<ValueError>(caller, "MultiheadPool: a width of {} does not divide into {} heads", dim, heads);
  }
  if (!(options.temperature > 0)) {
    raise<ValueError>(caller, "MultiheadPool: temperature {} is not positive", options.temperature);
  }
  query = init::by_fan({heads, dim / heads}, dim / heads, caller);
  add("query", query);
  add("key", key);
  add("value", value);
  add("out", out);
  if (options.gate) {
    gate = std::make_unique<Linear>(dim, dim, LinearOptions{}, caller);
    add("gate", *gate);
  }
}

Attended MultiheadPool::forward_with_weights(const Tensor& x, const Tensor& keep, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() != 3 || x.shape()[2] != dim_) {
    raise<ShapeError>(caller, "MultiheadPool: input {} is not [batch, time, {}]", x.shape(), dim_);
  }
  const int64_t batch = x.shape()[0], time = x.shape()[1];
  if (keep.defined() && keep.shape() != Shape{batch, time}) {
    raise<ShapeError>(caller, "MultiheadPool: keep {} for an input of {}", keep.shape(), x.shape());
  }
  const auto split = [&](const Tensor& y) {  // [B, heads, T, d]
    return y.reshape({batch, time, heads_, dim_ / heads_}).transpose(1, 2);
  };
  const Tensor scores =
      attention_scores(query.unsqueeze(1), split(key.forward(x, caller)), Score::scaled_dot, {}, caller);
  const Tensor kept = keep.defined() ? keep.unsqueeze(1).unsqueeze(1) : keep;
  const Tensor weights = attention_weights(scores, kept, options_.weights, options_.temperature, caller);
  const Tensor heads = attention_read(weights, split(value.forward(x, caller)), caller);  // [B, heads, 1, d]
  Tensor read = out.forward(heads.reshape({batch, dim_}), caller);
  if (gate) read = read * sigmoid(gate->forward(read, caller));
  return {std::move(read), weights.squeeze(2)};
}

Tensor MultiheadPool::forward(const Tensor& x, const Tensor& keep, Caller caller) const {
  return forward_with_weights(x, keep, caller).read;
}

std::string MultiheadPool::description() const {
  std::string text = fmt::format("{}, {} heads, weights={}", dim_, heads_, name(options_.weights));
  if (options_.temperature != 1) text += fmt::format(", temperature={}", options_.temperature);
  return text;
}

}  // namespace fovea::nn
