#include "fovea/nn/normalization.h"

#include "fovea/autograd/normalize.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

LayerNorm::LayerNorm(int64_t dim, LayerNormOptions options, Caller caller) : dim_(dim), options_(options) {
  if (dim < 0) raise<ValueError>(caller, "LayerNorm: size {} must not be negative", dim);
  if (!(options.eps >= 0)) raise<ValueError>(caller, "LayerNorm: eps {} is negative", options.eps);
  if (!options.affine) return;
  weight = ones({dim}, {}, caller);
  add("weight", weight);
  if (!options.bias) return;
  bias = zeros({dim}, {}, caller);
  add("bias", bias);
}

Tensor LayerNorm::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() == 0 || x.shape().back() != dim_) {
    raise<ShapeError>(caller, "LayerNorm: input {} does not end in {}", x.shape(), dim_);
  }
  return layer_norm(x, weight, bias, options_.eps, caller);
}

std::string LayerNorm::description() const { return fmt::format("{}", dim_); }

RMSNorm::RMSNorm(int64_t dim, RMSNormOptions options, Caller caller) : dim_(dim), options_(options) {
  if (dim < 1) raise<ValueError>(caller, "RMSNorm: size {} must be positive", dim);
  if (!(options.eps >= 0)) raise<ValueError>(caller, "RMSNorm: eps {} is negative", options.eps);
  if (!options.affine) return;
  weight = ones({dim}, {}, caller);
  add("weight", weight);
}

Tensor RMSNorm::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() == 0 || x.shape().back() != dim_) {
    raise<ShapeError>(caller, "RMSNorm: input {} does not end in {}", x.shape(), dim_);
  }
  return rms_norm(x, weight, options_.eps, caller);
}

std::string RMSNorm::description() const { return fmt::format("{}", dim_); }

}  // namespace fovea::nn
