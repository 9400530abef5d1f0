#pragma once

#include "fovea/nn/multihead_attention.h"
#include "fovea/nn/normalization.h"

// Two sources read together: text and image, speech and text.
namespace fovea::nn {

struct CrossModalOptions {
  int64_t heads = 1;
  double dropout = 0;
  double eps = 1e-5;
};

struct Fused {
  Tensor a, b;
};

/// Each of two sequences reads the other: a' = norm(a + attention(a, b, b)) and b' = norm(b + attention(b, a, a)), with
/// their own widths and lengths (Lu et al. 2019, "ViLBERT").
///   a, a'  [batch, time_a, dim_a], b, b' [batch, time_b, dim_b]; keep_a, keep_b bool [batch, time] or undefined
///   a_reads_b MultiheadAttention(dim_a, heads), keys of dim_b; b_reads_a the other way round; norm_a, norm_b LayerNorm
class CrossModalAttention : public Module {
 public:
  CrossModalAttention(int64_t dim_a, int64_t dim_b, CrossModalOptions options = {}, Caller caller = {});
  Fused forward(const Tensor& a, const Tensor& b, const Tensor& keep_a = {}, const Tensor& keep_b = {},
                Caller caller = {}) const;

  struct Weighed {
    Fused fused;
    Tensor a_weights;  // [batch, heads, time_a, time_b]
    Tensor b_weights;  // [batch, heads, time_b, time_a]
  };
  Weighed forward_with_weights(const Tensor& a, const Tensor& b, const Tensor& keep_a = {}, const Tensor& keep_b = {},
                               Caller caller = {}) const;

  MultiheadAttention a_reads_b, b_reads_a;
  LayerNorm norm_a, norm_b;
};

/// A gate decides how much of each of two vectors passes: h = z tanh(W_a a + b_a) + (1 - z) tanh(W_b b + b_b), z =
/// sigmoid(W_z [a, b]) (Arevalo et al. 2017, "GMU").
///   a [..., dim_a], b [..., dim_b], h [..., dim]
///   source_a Linear(dim_a, dim), source_b Linear(dim_b, dim), gate Linear(dim_a + dim_b, dim) without a bias
///   weights [..., dim]: z
class GatedFusion : public Module {
 public:
  GatedFusion(int64_t dim_a, int64_t dim_b, int64_t dim, Caller caller = {});
  Tensor forward(const Tensor& a, const Tensor& b, Caller caller = {}) const {
    return forward_with_weights(a, b, caller).read;
  }
  Attended forward_with_weights(const Tensor& a, const Tensor& b, Caller caller = {}) const;

  Linear source_a, source_b, gate;
};

}  // namespace fovea::nn
