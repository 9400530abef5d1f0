#include "fovea/nn/early_exit.h"

#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/reductions.h"

namespace fovea::nn {

EarlyExitEncoder::EarlyExitEncoder(int64_t dim, int64_t heads, int64_t depth, int64_t classes,
                                   TransformerOptions options, Caller caller) {
  if (depth < 1 || classes < 1) {
    raise<ValueError>(caller, "EarlyExitEncoder: {} layers and {} classes must be positive", depth, classes);
  }
  for (int64_t i = 0; i < depth; ++i) {
    layers.emplace(dim, heads, options, caller);
    pools.emplace(dim);
    exits.emplace(dim, classes);
  }
  add("layers", layers);
  add("pools", pools);
  add("exits", exits);
}

std::vector<Tensor> EarlyExitEncoder::forward(const Tensor& x, const Tensor& keep, Caller caller) const {
  const Scope scope(*this, caller);
  std::vector<Tensor> logits;
  Tensor state = x;
  for (size_t i = 0; i < layers.size(); ++i) {
    state = layers[i].forward(state, {.key_padding_keep = keep}, caller);
    logits.push_back(exits[i].forward(pools[i].forward(state, keep, caller), caller));
  }
  return logits;
}

Exited EarlyExitEncoder::predict(const Tensor& x, const Tensor& given, double confidence, Caller caller) const {
  const Scope scope(*this, caller);
  const NoGrad off;
  if (x.rank() != 3) raise<ShapeError>(caller, "EarlyExitEncoder: input {} is not [batch, time, dim]", x.shape());
  const int64_t batch = x.shape()[0], classes = exits[0].weight.shape()[0];
  Exited out{zeros({batch, classes}, x.options()), std::vector<int64_t>(static_cast<size_t>(batch), 0)};
  Tensor state = x, keep = given;
  std::vector<int32_t> rows(static_cast<size_t>(batch));  // of x, that are still inside
  for (size_t r = 0; r < rows.size(); ++r) rows[r] = static_cast<int32_t>(r);
  for (size_t i = 0; i < layers.size() && !rows.empty(); ++i) {
    state = layers[i].forward(state, {.key_padding_keep = keep}, caller);
    const Tensor logits = exits[i].forward(pools[i].forward(state, keep, caller), caller);
    const std::vector<double> sure = amax(softmax(logits, -1), -1).to_vector<double>();
    const bool last = i + 1 == layers.size();
    std::vector<int32_t> stay, inside;
    for (size_t r = 0; r < rows.size(); ++r) {
      if (last || sure[r] >= confidence) {
        out.logits.select(0, rows[r]).copy_(logits.select(0, static_cast<int64_t>(r)));
        out.depth[static_cast<size_t>(rows[r])] = static_cast<int64_t>(i) + 1;
      } else {
        stay.push_back(rows[r]);
        inside.push_back(static_cast<int32_t>(r));
      }
    }
    rows = stay;
    if (rows.empty()) break;
    const Tensor index = from_vector(inside, x.device());
    state = index_select(state, 0, index);
    if (keep.defined()) keep = index_select(keep, 0, index);
  }
  return out;
}

}  // namespace fovea::nn
