#include "fovea/nn/fusion.h"

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"

namespace fovea::nn {

CrossModalAttention::CrossModalAttention(int64_t dim_a, int64_t dim_b, CrossModalOptions options, Caller caller)
    : a_reads_b(dim_a, options.heads, {.dropout = options.dropout, .key_dim = dim_b, .value_dim = dim_b}, caller),
      b_reads_a(dim_b, options.heads, {.dropout = options.dropout, .key_dim = dim_a, .value_dim = dim_a}, caller),
      norm_a(dim_a, {.eps = options.eps}, caller),
      norm_b(dim_b, {.eps = options.eps}, caller) {
  add("a_reads_b", a_reads_b);
  add("b_reads_a", b_reads_a);
  add("norm_a", norm_a);
  add("norm_b", norm_b);
}

Fused CrossModalAttention::forward(const Tensor& a, const Tensor& b, const Tensor& keep_a, const Tensor& keep_b,
                                   Caller caller) const {
  const Scope scope(*this, caller);
  const Tensor for_a = a_reads_b.forward(a, b, b, {.key_padding_keep = keep_b}, caller);
  const Tensor for_b = b_reads_a.forward(b, a, a, {.key_padding_keep = keep_a}, caller);
  return {norm_a.forward(a + for_a, caller), norm_b.forward(b + for_b, caller)};
}

CrossModalAttention::Weighed CrossModalAttention::forward_with_weights(const Tensor& a, const Tensor& b,
                                                                       const Tensor& keep_a, const Tensor& keep_b,
                                                                       Caller caller) const {
  const Scope scope(*this, caller);
  const Attended for_a = a_reads_b.forward_with_weights(a, b, b, {.key_padding_keep = keep_b}, caller);
  const Attended for_b = b_reads_a.forward_with_weights(b, a, a, {.key_padding_keep = keep_a}, caller);
  return {
      {norm_a.forward(a + for_a.read, caller), norm_b.forward(b + for_b.read, caller)}, for_a.weights, for_b.weights};
}

GatedFusion::GatedFusion(int64_t dim_a, int64_t dim_b, int64_t dim, Caller caller)
    : source_a(dim_a, dim, {}, caller), source_b(dim_b, dim, {}, caller), gate(dim_a + dim_b, dim, {.bias = false}) {
  add("source_a", source_a);
  add("source_b", source_b);
  add("gate", gate);
}

Attended GatedFusion::forward_with_weights(const Tensor& a, const Tensor& b, Caller caller) const {
  static const Elementwise mix{"gated_fusion",
                               [](Expr z, Expr a, Expr b) { return z * tanh(a) + (1.0 - z) * tanh(b); }};
  const Scope scope(*this, caller);
  Tensor z = sigmoid(gate.forward(concat({a, b}, -1), caller));
  Tensor h = mix(z, source_a.forward(a, caller), source_b.forward(b, caller));
  return {std::move(h), std::move(z)};
}

}  // namespace fovea::nn
