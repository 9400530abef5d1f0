#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea {

/// a [..., m, k] times b [..., k, n] -> [..., m, n]; leading sizes broadcast; a vector is taken as a row on the left, a
/// column on the right, and its axis dropped from the result. Throws ShapeError.
Tensor matmul(const Tensor& a, const Tensor& b, Caller caller = {});

/// x [..., in] weight^T [in, out] + bias [out] -> [..., out], in one kernel; `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Caller caller = {});

}  // namespace fovea
