#pragma once

#include "fovea/tensor/tensor.h"

// Maps of scores to weights of which many are exactly 0, along the last axis.
namespace fovea::nn {

/// The point p of the simplex nearest to x: p_i = max(x_i - tau, 0), with tau so that they sum to 1 (Martins and
/// Astudillo 2016).
Tensor sparsemax(const Tensor& x, Caller caller = {});

/// Halfway between softmax and sparsemax: p_i = max(x_i / 2 - tau, 0)^2, with tau so that they sum to 1 (Peters et al.
/// 2019, "1.5-entmax").
Tensor entmax15(const Tensor& x, Caller caller = {});

}  // namespace fovea::nn
