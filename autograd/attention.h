#pragma once

#include <optional>

#include "fovea/tensor/creation.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

/// Which keys a query may read, and how its scores become weights.
struct DotAttentionOptions {
  std::optional<double> scale = {};  // of the scores; 1 / sqrt(d) where not given
  bool causal = false;               // query i, at position p = i + offset, reads the keys j <= p
  int64_t offset = 0;                // how many keys come before the first query, when decoding step by step
  int64_t window = 0;                // reads the keys with |p - j| < window (Beltagy et al. 2020); 0: all
  Tensor key_padding_keep = {};      // bool [batch, keys], true where a key may be read
  Tensor bias = {};                  // added to the scores, broadcast to [batch, heads, queries, keys]; has a gradient
  double dropout = 0;                // the part of the weights that is zeroed; the others grow to make up for it
};

/// softmax(scale q k^T + bias) v (Vaswani et al. 2017), never holding all scores where the device has the kernel (Dao
/// et al. 2022, "FlashAttention"): memory grows with queries + keys, in the backward pass too.
///   q [batch, heads, queries, d]; k [batch, key_heads, keys, d]; v [batch, key_heads, keys, dv]
///   result [batch, heads, queries, dv]; 0 for a query that may read no key
/// The head axis, or it and the batch axis, may be absent. heads is a multiple of key_heads: neighbouring heads share
/// one (Ainslie et al. 2023, "GQA"). Throws ShapeError, DTypeError, DeviceError, ValueError.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const DotAttentionOptions& options = {}, Caller caller = {});

/// What was read, and by which weights.
struct Attended {
  Tensor read;
  Tensor weights;
};
/// The same and the weights [batch, heads, queries, keys] before dropout, which are held whole.
Attended attention_with_weights(const Tensor& q, const Tensor& k, const Tensor& v,
                                const DotAttentionOptions& options = {}, Caller caller = {});

/// Self-attention on projections that stand side by side: packed [batch, time, (heads + 2 key_heads) d], the queries of
/// all heads, then keys, then values -> [batch, time, heads d].
Tensor packed_attention(const Tensor& packed, int64_t heads, int64_t key_heads, const DotAttentionOptions& options = {},
                        Caller caller = {});

}  // namespace fovea
