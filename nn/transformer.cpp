#include "fovea/nn/transformer.h"

#include <optional>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/nn/attention_trace.h"

namespace fovea::nn {

std::string_view name(FeedForward activation) {
  switch (activation) {
    case FeedForward::relu:
      return "relu";
    case FeedForward::gelu:
      return "gelu";
    case FeedForward::silu:
      return "silu";
    case FeedForward::geglu:
      return "geglu";
    case FeedForward::swiglu:
      return "swiglu";
  }
  return "?";
}

namespace {

bool is_gated(FeedForward activation) { return activation == FeedForward::geglu || activation == FeedForward::swiglu; }

int64_t inner_width(const TransformerOptions& o) { return is_gated(o.activation) ? 2 * o.feedforward : o.feedforward; }

Tensor activate(FeedForward activation, const Tensor& x) {
  const auto gated = [&x](Tensor (*f)(Operand)) {
    const int64_t half = x.shape().back() / 2;
    return x.slice(-1, 0, half) * f(x.slice(-1, half));
  };
  switch (activation) {
    case FeedForward::relu:
      return relu(x);
    case FeedForward::gelu:
      return gelu(x);
    case FeedForward::silu:
      return silu(x);
    case FeedForward::geglu:
      return gated(gelu);
    case FeedForward::swiglu:
      return gated(silu);
  }
  return {};
}

MultiheadAttentionOptions self_attention(const TransformerOptions& o) {
  return {.bias = o.bias,
          .dropout = o.dropout,
          .key_heads = o.key_heads,
          .window = o.window,
          .rotary = o.rotary,
          .alibi = o.alibi};
}

void check(const char* name, const TransformerOptions& o, Caller caller) {
  if (o.feedforward < 1) raise<ValueError>(caller, "{}: a feed-forward width of {}", name, o.feedforward);
  if (!(o.dropout >= 0 && o.dropout < 1)) {
    raise<ValueError>(caller, "{}: dropout {} is outside [0, 1)", name, o.dropout);
  }
}

/// linear2(dropout(activation(linear1(x)))), dropped with probability p.
Tensor feed_forward(const Linear& linear1, const Linear& linear2, FeedForward activation, double p, const Tensor& x,
                    Caller caller) {
  const Tensor inner = activate(activation, linear1.forward(x, caller));
  return dropout(linear2.forward(dropout(inner, p), caller), p);
}

std::string text(int64_t dim, int64_t heads, const TransformerOptions& o) {
  return fmt::format("{}, {} heads, {} {}{}", dim, heads, name(o.activation), o.feedforward,
                     o.pre_norm ? ", pre_norm" : "");
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(int64_t dim, int64_t heads, TransformerOptions o, Caller caller)
    : self_attn(dim, heads, self_attention(o), caller),
      linear1(dim, inner_width(o), {.bias = o.bias}, caller),
      linear2(o.feedforward, dim, {.bias = o.bias}, caller),
      norm1(dim, {.eps = o.eps, .bias = o.bias}, caller),
      norm2(dim, {.eps = o.eps, .bias = o.bias}, caller),
      options_(o) {
  check("TransformerEncoderLayer", o, caller);
  add("self_attn", self_attn);
  add("linear1", linear1);
  add("linear2", linear2);
  add("norm1", norm1);
  add("norm2", norm2);
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const AttendOptions& options, Caller caller) const {
  const Scope scope(*this, caller);
  const double p = training() ? options_.dropout : 0;
  const auto attend = [&](const Tensor& y) { return dropout(self_attn.forward(y, options, caller), p); };
  const auto feed = [&](const Tensor& y) { return feed_forward(linear1, linear2, options_.activation, p, y, caller); };
  if (options_.pre_norm) {
    const Tensor y = x + attend(norm1.forward(x, caller));
    return y + feed(norm2.forward(y, caller));
  }
  const Tensor y = norm1.forward(x + attend(x), caller);
  return norm2.forward(y + feed(y), caller);
}

std::string TransformerEncoderLayer::description() const {
  return text(linear2.weight.shape()[0], self_attn.heads(), options_);
}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t dim, int64_t heads, TransformerOptions o, Caller caller)
    : self_attn(dim, heads, self_attention(o), caller),
      multihead_attn(dim, heads, {.bias = o.bias, .dropout = o.dropout, .key_heads = o.key_heads}, caller),
      linear1(dim, inner_width(o), {.bias = o.bias}, caller),
      linear2(o.feedforward, dim, {.bias = o.bias}, caller),
      norm1(dim, {.eps = o.eps, .bias = o.bias}, caller),
      norm2(dim, {.eps = o.eps, .bias = o.bias}, caller),
      norm3(dim, {.eps = o.eps, .bias = o.bias}, caller),
      options_(o) {
  check("TransformerDecoderLayer", o, caller);
  add("self_attn", self_attn);
  add("multihead_attn", multihead_attn);
  add("linear1", linear1);
  add("linear2", linear2);
  add("norm1", norm1);
  add("norm2", norm2);
  add("norm3", norm3);
}

Tensor TransformerDecoderLayer::forward(const Tensor& x, const Tensor& memory, const DecodeOptions& options,
                                        Caller caller) const {
  const Scope scope(*this, caller);
  const double p = training() ? options_.dropout : 0;
  const auto attend = [&](const Tensor& y) {
    return dropout(
        self_attn.forward(
            y, {.causal = options.causal, .key_padding_keep = options.key_padding_keep, .cache = options.cache},
            caller),
        p);
  };
  const auto read = [&](const Tensor& y) {
    const AttendOptions attend_memory{.key_padding_keep = options.memory_key_padding_keep,
                                      .cache = options.memory_cache};
    return dropout(multihead_attn.forward(y, memory, memory, attend_memory, caller), p);
  };
  const auto feed = [&](const Tensor& y) { return feed_forward(linear1, linear2, options_.activation, p, y, caller); };
  if (options_.pre_norm) {
    Tensor y = x + attend(norm1.forward(x, caller));
    y = y + read(norm2.forward(y, caller));
    return y + feed(norm3.forward(y, caller));
  }
  Tensor y = norm1.forward(x + attend(x), caller);
  y = norm2.forward(y + read(y), caller);
  return norm3.forward(y + feed(y), caller);
}

std::string TransformerDecoderLayer::description() const {
  return text(linear2.weight.shape()[0], self_attn.heads(), options_);
}

namespace {

void check_caches(const char* name, size_t caches, size_t layers, Caller caller) {
  if (caches != 0 && caches != layers) {
    raise<ValueError>(caller, "{}: {} caches for {} layers", name, caches, layers);
  }
}

}  // namespace

TransformerEncoder::TransformerEncoder(int64_t dim, int64_t heads, int64_t count, TransformerOptions options,
                                       Caller caller) {
  if (count < 0) raise<ValueError>(caller, "TransformerEncoder: {} layers", count);
  for (int64_t i = 0; i < count; ++i) layers.emplace(dim, heads, options, caller);
  add("layers", layers);
  if (!options.pre_norm) return;
  norm = std::make_unique<LayerNorm>(dim, LayerNormOptions{.eps = options.eps, .bias = options.bias}, caller);
  add("norm", *norm);
}

Tensor TransformerEncoder::forward(const Tensor& x, const AttendOptions& options, std::span<KeyValueCache> caches,
                                   Caller caller) const {
  const Scope scope(*this, caller);
  check_caches("TransformerEncoder", caches.size(), layers.size(), caller);
  Tensor y = x;
  for (size_t i = 0; i < layers.size(); ++i) {
    AttendOptions own = options;
    own.cache = caches.empty() ? nullptr : &caches[i];
    const TransformerEncoderLayer& layer = layers[i];
    if (recompute && training() && grad_enabled() && !own.cache) {
      std::vector<Tensor> inputs{y};
      if (own.bias.defined()) inputs.push_back(own.bias);  // which may be learned
      y = autograd::checkpoint(
          [&layer, own, caller](const std::vector<Tensor>& in) {
            // What is weighed again was noted the first time.
            std::optional<AttentionTrace> again;
            if (grad_enabled() && AttentionTrace::current()) again.emplace();
            AttendOptions given = own;
            if (in.size() > 1) given.bias = in[1];
            return layer.forward(in[0], given, caller);
          },
          inputs, layer.parameters(), caller);
    } else {
      y = layer.forward(y, own, caller);
    }
  }
  return norm ? norm->forward(y, caller) : y;
}

TransformerDecoder::TransformerDecoder(int64_t dim, int64_t heads, int64_t count, TransformerOptions options,
                                       Caller caller) {
  if (count < 0) raise<ValueError>(caller, "TransformerDecoder: {} layers", count);
  for (int64_t i = 0; i < count; ++i) layers.emplace(dim, heads, options, caller);
  add("layers", layers);
  if (!options.pre_norm) return;
  norm = std::make_unique<LayerNorm>(dim, LayerNormOptions{.eps = options.eps, .bias = options.bias}, caller);
  add("norm", *norm);
}

Tensor TransformerDecoder::forward(const Tensor& x, const Tensor& memory, const DecodeOptions& options,
                                   std::span<DecoderCache> caches, Caller caller) const {
  const Scope scope(*this, caller);
  check_caches("TransformerDecoder", caches.size(), layers.size(), caller);
  Tensor y = x;
  for (size_t i = 0; i < layers.size(); ++i) {
    DecodeOptions own = options;
    own.cache = caches.empty() ? nullptr : &caches[i].self;
    own.memory_cache = caches.empty() ? nullptr : &caches[i].memory;
    y = layers[i].forward(y, memory, own, caller);
  }
  return norm ? norm->forward(y, caller) : y;
}

}  // namespace fovea::nn
