#pragma once

#include "fovea/tensor/tensor.h"

// Along one axis. Errors: DTypeError, ShapeError for a weight that does not fit, IndexError for an axis that there is not.
namespace fovea {

/// exp(x) / sum(exp(x)) along an axis.
Tensor softmax(const Tensor& x, int axis, Caller caller = {});
Tensor log_softmax(const Tensor& x, int axis, Caller caller = {});

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis (Ba et al. 2016); weight and bias [n] may be
/// undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                  Caller caller = {});
/// x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019); weight [n] may be undefined.
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double eps = 1e-6, Caller caller = {});
/// x / max(|x|, eps) along an axis.
Tensor l2_normalize(const Tensor& x, int axis = -1, double eps = 1e-12, Caller caller = {});
/// a b / (max(|a|, eps) max(|b|, eps)) along an axis of the shape that both broadcast to.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int axis = 1, double eps = 1e-8, Caller caller = {});

}  // namespace fovea
