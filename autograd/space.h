#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea {

/// What messages call the last one to three axes of a sequence, an image or a volume.
inline const char* names_of_space(int axes) {
  return axes == 1 ? "length" : axes == 2 ? "height, width" : "depth, height, width";
}

/// Throws ShapeError unless x is [batch, channels, ...] with so many axes of space, of which the batch axis may be absent.
inline void check_space(const char* name, const Tensor& x, int axes, Caller caller) {
  if (x.rank() == axes + 1 || x.rank() == axes + 2) return;
  raise<ShapeError>(caller, "{}: input {} is not [batch, channels, {}]", name, x.shape(), names_of_space(axes));
}

}  // namespace fovea
