#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea {

/// What an element between others becomes: linear between its two neighbours; the one whose left edge (nearest, as PyTorch's
/// of this name) or whose middle (nearest_exact) it falls to.
enum class Interpolation : uint8_t { linear, nearest, nearest_exact };

struct InterpolateOptions {
  Interpolation mode = Interpolation::linear;
  /// Of linear: the first and the last element of an axis stay where they are, else its two edges.
  bool align_corners = false;
};

/// x [batch, channels, space...] with `size` in place of space, along each of its axes by itself: PyTorch's interpolate, whose
/// mode for linear is "linear", "bilinear" or "trilinear". The batch axis may be absent. Throws ShapeError, DTypeError;
/// ValueError for a size below 1 or corners of what is not linear.
Tensor interpolate(const Tensor& x, const Shape& size, InterpolateOptions options = {}, Caller caller = {});

}  // namespace fovea
