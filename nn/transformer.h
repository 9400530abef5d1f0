#pragma once

#include <span>

#include "fovea/nn/containers.h"
#include "fovea/nn/dropout.h"
#include "fovea/nn/multihead_attention.h"
#include "fovea/nn/normalization.h"

// Layers of the Transformer (Vaswani et al. 2017), batch first, with PyTorch's parameter names and formulas.
namespace fovea::nn {

/// What stands between the two linear maps of a feed-forward network; gated ones split the first map's result in two
/// halves a and b and give a times the activation of b.
enum class FeedForward : uint8_t {
  relu,
  gelu,    // Hendrycks and Gimpel 2016
  silu,    // Elfwing et al. 2017
  geglu,   // gated by GELU (Shazeer 2020)
  swiglu,  // gated by SiLU (Shazeer 2020)
};
std::string_view name(FeedForward activation);

struct TransformerOptions {
  int64_t feedforward = 2048;
  FeedForward activation = FeedForward::relu;
  double dropout = 0.1;   // after attention and feed-forward, inside it, and of the attention weights
  bool pre_norm = false;  // x + f(norm(x)) in place of norm(x + f(x)) (Xiong et al. 2020)
  double eps = 1e-5;      // of the norms
  bool bias = true;
  int64_t key_heads = 0;  // of self-attention; see MultiheadAttentionOptions, as for the rest
  int64_t window = 0;
  bool rotary = false;
  bool alibi = false;
};

/// Self-attention, then feed-forward: linear2(dropout(activation(linear1(x)))).
///   x, y [batch, time, dim]
///   self_attn MultiheadAttention; linear1 Linear(dim, feedforward), twice as wide where gated; linear2
///   Linear(feedforward, dim); norm1, norm2 LayerNorm(dim)
class TransformerEncoderLayer : public Module {
 public:
  TransformerEncoderLayer(int64_t dim, int64_t heads, TransformerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, const AttendOptions& options = {}, Caller caller = {}) const;
  std::string description() const override;
  const TransformerOptions& options() const { return options_; }

  MultiheadAttention self_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2;

 private:
  TransformerOptions options_;
};

/// What a decoder layer's call may add.
struct DecodeOptions {
  bool causal = true;                     // of self-attention
  Tensor key_padding_keep = {};           // bool [batch, time] of x
  Tensor memory_key_padding_keep = {};    // bool [batch, memory time]
  KeyValueCache* cache = nullptr;         // of self-attention
  KeyValueCache* memory_cache = nullptr;  // of attention on the memory, which is projected once
};

/// What a decoder layer remembers when it decodes step by step.
struct DecoderCache {
  KeyValueCache self;
  KeyValueCache memory;

  void clear() {
    self.clear();
    memory.clear();
  }
  /// See KeyValueCache::reorder.
  void reorder(const Tensor& rows, Caller caller = {}) {
    self.reorder(rows, caller);
    memory.reorder(rows, caller);
  }
};

/// Self-attention, attention on a memory (an encoder's result), feed-forward.
///   x, y [batch, time, dim]; memory [batch, memory time, dim]
///   as the encoder layer's, and multihead_attn MultiheadAttention, norm3 LayerNorm(dim)
class TransformerDecoderLayer : public Module {
 public:
  TransformerDecoderLayer(int64_t dim, int64_t heads, TransformerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, const Tensor& memory, const DecodeOptions& options = {}, Caller caller = {}) const;
  std::string description() const override;
  const TransformerOptions& options() const { return options_; }

  MultiheadAttention self_attn, multihead_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2, norm3;

 private:
  TransformerOptions options_;
};

/// Encoder layers one after the other, and with pre_norm a last norm.
///   layers.{i} TransformerEncoderLayer; norm LayerNorm(dim)
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(int64_t dim, int64_t heads, int64_t layers, TransformerOptions options = {}, Caller caller = {});
  /// `caches`, where not empty, holds one per layer; `options.cache` is not used.
  Tensor forward(const Tensor& x, const AttendOptions& options = {}, std::span<KeyValueCache> caches = {},
                 Caller caller = {}) const;

  ModuleList<TransformerEncoderLayer> layers;
  std::unique_ptr<LayerNorm> norm;
  /// Whether a layer keeps its input alone for the backward pass and runs again there (see autograd::checkpoint): less
  /// memory, a third more to compute, the same gradients.
  bool recompute = false;
};

/// Decoder layers one after the other, and with pre_norm a last norm.
class TransformerDecoder : public Module {
 public:
  TransformerDecoder(int64_t dim, int64_t heads, int64_t layers, TransformerOptions options = {}, Caller caller = {});
  /// `caches`, where not empty, holds one per layer; the options' caches are not used.
  Tensor forward(const Tensor& x, const Tensor& memory, const DecodeOptions& options = {},
                 std::span<DecoderCache> caches = {}, Caller caller = {}) const;

  ModuleList<TransformerDecoderLayer> layers;
  std::unique_ptr<LayerNorm> norm;
};

}  // namespace fovea::nn
