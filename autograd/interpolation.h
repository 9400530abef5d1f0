#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea {

struct InterpolateOptions {
  bool align_corners = false;  // the first and the last element of an axis stay where they are, else its two edges
};

/// x [batch, channels, space...] with `size` in place of space, linear between neighbours along each of its axes: of one
/// size PyTorch's interpolate of mode "linear", of two that of mode "bilinear". The batch axis may be absent. Throws
/// ShapeError, DTypeError; ValueError for a size below 1.
Tensor interpolate(const Tensor& x, const Shape& size, InterpolateOptions options = {}, Caller caller = {});

}  // namespace fovea
