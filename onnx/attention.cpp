#include <cmath>

#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/attention.h"
#include "fovea/onnx/layers.h"

namespace fovea::onnx {
namespace {

constexpr double lowest = -3.38e38;  // below every score, yet not so that it makes a NaN

/// See nn::sparsemax, whose steps these are.
Value sparsemax(const Value& x) {
  Graph& graph = x.graph();
  const Value centred = x - amax(x, {-1}, true);
  const Value z = graph.nodes("TopK", {centred, size(x, -1)}, 2, {{"axis", int64_t{-1}}})[0];
  const Value total = cumsum(z, -1);
  const Value inside = z * (range(size(x, -1)) + 1) + 1 > total;
  const Value count = sum(cast(inside, Element::f32), {-1}, true);
  return relu(centred - (sum(where(inside, z, 0), {-1}, true) - 1) / count);
}

/// See nn::entmax15, whose steps these are.
Value entmax15(const Value& x) {
  Graph& graph = x.graph();
  const Value z = maximum((x - amax(x, {-1}, true)) * 0.5, -2);
  const Value sorted = graph.nodes("TopK", {z, size(x, -1)}, 2, {{"axis", int64_t{-1}}})[0];
  const Value k = range(size(x, -1)) + 1, total = cumsum(sorted, -1), mean = total / k;
  const Value spread = cumsum(sorted * sorted, -1) - total * mean;
  const Value tau = mean - sqrt(maximum((spread * -1.0 + 1) / k, 0));
  const Value count = cast(size(x, -1), Element::f32) - sum(cast(sorted < tau, Element::f32), {-1}, true);
  const Value last = logical_and(k > count - 0.5, k < count + 0.5);
  const Value above = relu(z - sum(where(last, tau, 0), {-1}, true));
  return above * above;
}

/// log(softplus(x)), also where softplus has few digits left, or none: there it is x + log(log(1 + e) / e) with e = exp(x),
/// by the series of e, whose next term is below 3e-8.
Value log_softplus(const Value& x) {
  const Value border = x.graph().scalar(-3), far = x < border;
  const Value e = exp(where(far, x, -3));
  const Value rest = e * (e * (e * (e * (251.0 / 2880) - 1.0 / 8) + 5.0 / 24) - 0.5);
  return where(far, x + rest, log(softplus(where(far, border, x))));
}

/// Of length 1 along the last axis, as l2_normalize.
Value normalized(const Value& x) {
  const Value length = x.graph().node("ReduceL2", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
  return x / maximum(length, 1e-8);
}

/// The scores of keys x [batch, time, dim] by a pool's query: [batch, time].
Value pool_scores(const nn::AttentionPool& layer, const Value& x) {
  Graph& graph = x.graph();
  const auto against = [&](const Value& keys, const Tensor& query) {
    return squeeze(matmul(keys, graph.constant(query.reshape({-1, 1}), "query")), {-1});
  };
  const Tensor& query = layer.query;
  switch (layer.options().score) {
    case nn::Score::additive:
      return against(tanh(emit(*layer.key, x)), query);
    case nn::Score::dot:
      return against(x, query);
    case nn::Score::scaled_dot:
      return against(x, query * (1 / std::sqrt(static_cast<double>(query.size(0)))));
    case nn::Score::bilinear:
      return against(x, matmul(query.reshape({1, -1}), layer.weight));
    case nn::Score::cosine:
      return against(normalized(x), l2_normalize(query, -1, 1e-8));
    case nn::Score::location: {
      const Value all = graph.constant(matmul(query.reshape({1, -1}), layer.weight), "query");
      return graph.node("Expand", {first(all, -1, size(x, 1)), concat({size(x, 0), size(x, 1)}, 0)});
    }
  }
  return {};
}

/// What was read, through the gate where there is one.
Value gated(const Value& read, const std::unique_ptr<nn::Linear>& gate) {
  return gate ? read * sigmoid(emit(*gate, read)) : read;
}

}  // namespace

Value attention_weights(const Value& scores, const Value& keep, nn::Weights weights) {
  const auto kept = [&](const Value& x, double otherwise) { return keep.defined() ? where(keep, x, otherwise) : x; };
  switch (weights) {
    case nn::Weights::softmax:
      return kept(softmax(kept(scores, lowest), -1), 0);
    case nn::Weights::sparsemax:
      return kept(sparsemax(kept(scores, lowest)), 0);
    case nn::Weights::exp:
      return kept(exp(scores), 0);
    case nn::Weights::sum:
      return kept(softmax(kept(log_softplus(scores), lowest), -1), 0);
    case nn::Weights::entmax15:
      return kept(entmax15(kept(scores, lowest)), 0);
  }
  return {};
}

Attended emit(const nn::AttentionPool& layer, const Value& x, const Value& keep, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const Value scores = pool_scores(layer, x) / layer.options().temperature;
  const Value weights = attention_weights(scores, keep, layer.options().weights);
  return {gated(squeeze(matmul(unsqueeze(weights, {1}), x), {1}), layer.gate), weights};
}

Value emit(const nn::MultiheadPool& layer, const Value& x, const Value& keep, Caller caller) {
  Graph& graph = x.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const int64_t heads = layer.query.size(0), d = layer.query.size(1);
  const auto split = [&](const Value& y) { return permute(reshape(y, {0, 0, heads, d}), {0, 2, 1, 3}); };
  const Tensor query = layer.query * (1 / std::sqrt(static_cast<double>(d)) / layer.options().temperature);
  const Value scores = matmul(split(emit(layer.key, x)), graph.constant(query.unsqueeze(-1), "query"));
  const Value weights = attention_weights(permute(scores, {0, 1, 3, 2}),
                                          keep.defined() ? unsqueeze(keep, {1, 2}) : keep, layer.options().weights);
  const Value read = matmul(weights, split(emit(layer.value, x)));  // [batch, heads, 1, d]
  return gated(emit(layer.out, reshape(read, {0, heads * d})), layer.gate);
}

namespace {

/// The scores of keys [batch, time, key_dim] for each query: [batch, queries, time].
Value sequence_scores(const nn::SequenceAttention& layer, const Value& query, const Value& keys) {
  Graph& graph = query.graph();
  const auto products = [](const Value& q, const Value& k) { return matmul(q, permute(k, {0, 2, 1})); };
  switch (layer.options().score) {
    case nn::Score::dot:
      return products(query, keys);
    case nn::Score::scaled_dot:
      return products(query * (1 / std::sqrt(static_cast<double>(layer.key_dim()))), keys);
    case nn::Score::cosine:
      return products(normalized(query), normalized(keys));
    case nn::Score::bilinear:
      return products(matmul(query, graph.constant(layer.weight, "weight")), keys);
    case nn::Score::additive: {
      const Value q = matmul(query, graph.constant(layer.wq, "wq")), k = matmul(keys, graph.constant(layer.wk, "wk"));
      const Value both = tanh(unsqueeze(q, {2}) + unsqueeze(k, {1}));
      return squeeze(matmul(both, graph.constant(layer.u.reshape({-1, 1}), "u")), {-1});
    }
    case nn::Score::location:
      return first(matmul(query, graph.constant(layer.weight, "weight")), -1, size(keys, 1));
  }
  return {};
}

}  // namespace

Attended emit(const nn::SequenceAttention& layer, const Value& query, const Value& keys, const Value& values,
              const Value& keep, Caller caller) {
  const Graph::Scope scope(query.graph(caller), layer, caller);
  Value scores = sequence_scores(layer, query, keys) / layer.options().temperature;
  if (layer.temperature) scores = scores / emit(*layer.temperature, query);
  // [batch, 1 or queries, time] of either rank.
  const Value may = keep.defined() ? reshape(keep, {size(keep, 0), -1, size(keep, -1)}) : keep;
  const Value weights = attention_weights(scores, may, layer.options().weights);
  const Value read = matmul(weights, values);
  return {layer.gate ? read * sigmoid(emit(*layer.gate, concat({query, read}, -1))) : read, weights};
}

Attended emit(const nn::LocationAwareAttention& layer, const Value& s, const Value& h, const Value& previous,
              const Value& keep, Caller caller) {
  Graph& graph = s.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  Value known = unsqueeze(emit(layer.query, s), {1}) + emit(layer.key, h);
  if (previous.defined()) {
    known = known + emit(layer.location, permute(emit(layer.conv, unsqueeze(previous, {1})), {0, 2, 1}));
  }
  const Value scores = squeeze(matmul(tanh(known), graph.constant(layer.weight.reshape({-1, 1}), "weight")), {-1});
  const Value weights = attention_weights(scores / layer.options().temperature, keep, layer.options().weights);
  return {squeeze(matmul(unsqueeze(weights, {1}), h), {1}), weights};
}

Value emit(const nn::HierarchicalAttention& layer, const Value& x, const Value& lengths, Caller caller) {
  const Graph::Scope scope(x.graph(caller), layer, caller);
  const int64_t dim = 2 * layer.word_encoder.hidden(), width = layer.word_encoder.input();
  const Value words = size(x, 2), sentences = size(x, 1);
  const Value each = reshape(lengths, {-1});
  const Value states = emit(layer.word_encoder, reshape(x, {-1, words, width}), each).output;
  const Value vectors = emit(layer.word_pool, states, before(each, words)).read;
  const Value there = sum(cast(cast(lengths, Element::boolean), Element::i64), {1});  // sentences with a word
  const Value context = emit(layer.sentence_encoder, reshape(vectors, {-1, sentences, dim}), there).output;
  return emit(layer.sentence_pool, context, before(there, sentences)).read;
}

namespace {

/// Which keys a query may read, broadcast to [batch, heads, queries, keys]; none where all of them.
Value readable(const Value& q, const Value& k, int64_t window, const AttendOptions& options) {
  Value allowed = options.keep.defined() ? unsqueeze(options.keep, {1, 2}) : Value();
  const auto also = [&](const Value& more) { allowed = allowed.defined() ? logical_and(allowed, more) : more; };
  const Value position = unsqueeze(range(size(q, 2)), {-1}), key = range(size(k, 2));
  if (options.causal) also(key < position + 1);
  if (window > 0) also(key > position - static_cast<double>(window));
  if (window > 0 && !options.causal) also(key < position + static_cast<double>(window));
  return allowed;
}

}  // namespace

Value emit(const nn::MultiheadAttention& layer, const Value& query, const Value& key, const Value& value,
           const AttendOptions& options, Caller caller) {
  Graph& graph = query.graph(caller);
  const Graph::Scope scope(graph, layer, caller);
  const nn::MultiheadAttentionOptions& o = layer.options();
  const int64_t heads = layer.heads(), key_heads = o.key_heads, dim = layer.out_proj->weight.size(0), d = dim / heads;
  if (o.alibi && !options.causal) raise<ValueError>(caller, "onnx: MultiheadAttention with ALiBi is causal");
  const auto projected = [&](const Value& x, const char* name, const Tensor& own, int64_t row, int64_t own_heads) {
    const int64_t end = row + own_heads * d;
    const Tensor weight = own.defined() ? own : layer.in_proj_weight.slice(0, row, end);
    Value y = matmul(x, graph.constant(weight.mT(), fmt::format("{}_proj_weight_t", name)));
    if (layer.in_proj_bias.defined()) {
      y = y + graph.constant(layer.in_proj_bias.slice(0, row, end), fmt::format("{}_proj_bias", name));
    }
    return permute(reshape(y, {0, 0, own_heads, d}), {0, 2, 1, 3});  // [batch, heads, time, d]
  };
  /// Neighbouring heads share one.
  const auto shared = [&](const Value& x) {
    if (key_heads == heads) return x;
    const std::vector<Value> copies(static_cast<size_t>(heads / key_heads), unsqueeze(x, {2}));
    return reshape(concat(copies, 2), {0, heads, -1, d});
  };
  Value q = projected(query, "q", layer.q_proj_weight, 0, heads);
  Value k = projected(key, "k", layer.k_proj_weight, dim, key_heads);
  const Value v = shared(projected(value, "v", layer.v_proj_weight, dim + key_heads * d, key_heads));
  if (o.rotary) {
    q = rotary(q, d, o.rotary_base);
    k = rotary(k, d, o.rotary_base);
  }
  k = shared(k);
  Value scores = matmul(q * (1 / std::sqrt(static_cast<double>(d))), permute(k, {0, 1, 3, 2}));
  if (o.alibi) {
    const Tensor slopes = nn::alibi_bias(heads, 2).slice(-1, 1);  // the bias of key 1
    scores = scores + graph.constant(slopes, "slopes") * range(size(k, 2));
  }
  if (options.bias.defined()) scores = scores + options.bias;
  const Value weights = attention_weights(scores, readable(q, k, o.window, options), nn::Weights::softmax);
  const Value read = reshape(permute(matmul(weights, v), {0, 2, 1, 3}), {0, 0, dim});
  return emit(*layer.out_proj, read);
}

}  // namespace fovea::onnx
