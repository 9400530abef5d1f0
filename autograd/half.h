#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea {

/// f16 and bf16 are storage types: what is computed of them is computed in f32.
inline bool is_half(const Tensor& x) { return size_of(x.dtype()) == 2; }
inline Tensor widened(const Tensor& x) { return x.defined() && is_half(x) ? x.to(f32) : x; }

}  // namespace fovea
