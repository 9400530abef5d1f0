#pragma once

#include <memory>

#include "fovea/autograd/attention.h"
#include "fovea/nn/attention.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct MultiheadAttentionOptions {
  bool bias = true;
  double dropout = 0;     // of the weights, in training
  int64_t key_heads = 0;  // heads share keys and values in groups (Ainslie et al. 2023); 0: as many as heads
  int64_t key_dim = 0;    // width of the keys' input; 0: dim
  int64_t value_dim = 0;  // width of the values' input; 0: dim
  int64_t window = 0;     // reads nearer than this only (Beltagy et al. 2020); 0: all
  bool rotary = false;    // queries and keys are turned by their positions (Su et al. 2021)
  bool alibi = false;     // causal: scores fall with the distance (Press et al. 2022)
  double rotary_base = 10000;
};

/// Keys and values of what was read so far, for decoding step by step: what comes in is appended. Without gradients.
class KeyValueCache {
 public:
  /// How many positions are held.
  int64_t length() const { return length_; }
  void clear() { length_ = 0; }
  /// Appends k and v [batch, key_heads, time, d]; k() and v() then hold all there is. Throws ShapeError, DTypeError,
  /// DeviceError where they do not fit each other or what is held, and AutogradError.
  void append(const Tensor& k, const Tensor& v, Caller caller = {});
  /// Row i goes on with what row rows[i] held (i32 [n], any n): what a beam search needs. Throws as index_select does.
  void reorder(const Tensor& rows, Caller caller = {});
  Tensor k() const { return k_.slice(2, 0, length_); }
  Tensor v() const { return v_.slice(2, 0, length_); }

 private:
  Tensor k_, v_;  // with room to grow
  int64_t length_ = 0;
};

/// What a call of MultiheadAttention may add.
struct AttendOptions {
  bool causal = false;
  Tensor key_padding_keep = {};  // bool [batch, keys], true where a key may be read
  Tensor bias = {};              // added to the scores, broadcast to [batch, heads, queries, keys]
  /// Self-attention: x continues what the cache holds. Attention on something else: the first call fills the cache with
  /// its keys and values, later ones read them there and project none.
  KeyValueCache* cache = nullptr;
};

/// Attention in `heads` projections side by side: y = concat(head_1, head_2, ...) W_o^T + b_o, head_h = softmax(q_h k_h^T
/// / sqrt(d)) v_h, with q = query W_q^T + b_q, and k and v alike (Vaswani et al. 2017). PyTorch's names, layouts and
/// formulas.
///   query [batch, queries, dim]; key [batch, keys, key_dim]; value [batch, keys, value_dim]; y [batch, queries, dim]
///   in_proj_weight [dim + 2 key_heads d, dim], d = dim / heads: W_q, W_k, W_v below each other, xavier uniform; where
///                  widths differ q_proj_weight, k_proj_weight and v_proj_weight in its place
///   in_proj_bias   [dim + 2 key_heads d], zeros
///   out_proj       Linear(dim, dim), its bias zeros
class MultiheadAttention : public Module {
 public:
  MultiheadAttention(int64_t dim, int64_t heads, MultiheadAttentionOptions options = {}, Caller caller = {});

  /// Self-attention.
  Tensor forward(const Tensor& x, const AttendOptions& options = {}, Caller caller = {}) const;
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttendOptions& options = {},
                 Caller caller = {}) const;
  /// The same and the weights per head [batch, heads, queries, keys].
  Attended forward_with_weights(const Tensor& query, const Tensor& key, const Tensor& value,
                                const AttendOptions& options = {}, Caller caller = {}) const;
  std::string description() const override;

  int64_t heads() const { return heads_; }
  const MultiheadAttentionOptions& options() const { return options_; }

  Tensor in_proj_weight;
  Tensor q_proj_weight, k_proj_weight, v_proj_weight;
  Tensor in_proj_bias;  // undefined without one
  std::unique_ptr<Linear> out_proj;

 private:
  struct Projected {
    Tensor q, k, v;  // [batch, heads, time, d]
  };
  void check(const Tensor& query, const Tensor& key, const Tensor& value, Caller caller) const;
  void check_masks(const AttendOptions& options, int64_t batch, int64_t queries, int64_t keys, Caller caller) const;
  Projected project(const Tensor& query, const Tensor& key, const Tensor& value, Caller caller) const;
  Tensor project_query(const Tensor& query, Caller caller) const;
  DotAttentionOptions settle(const AttendOptions& options, const Tensor& query, int64_t keys, int64_t offset) const;
  Tensor split(const Tensor& x, int64_t heads) const;
  Attended attend(const Tensor& query, const Tensor& key, const Tensor& value, const AttendOptions& options,
                  bool weights, Caller caller) const;

  int64_t dim_, heads_;
  MultiheadAttentionOptions options_;
};

}  // namespace fovea::nn
