#pragma once

#include "fovea/tensor/tensor.h"

// What operations by index share. Errors begin with the operation's name.
namespace fovea::autograd {

/// Throws DTypeError, DeviceError unless `index` is i32 and where x is.
void check_index(const Tensor& x, const Tensor& index, const char* name, Caller caller);

/// Throws ShapeError, DTypeError, DeviceError unless `source` can be folded into x at `index` along `axis`: the three have
/// one rank, the index at most the source's sizes, and x's beside the axis.
void check_scatter(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const char* name,
                   Caller caller);

/// gather() of shapes that fit, as a part of the operation `name`.
Tensor gather_elements(const Tensor& x, int axis, const Tensor& index, const char* name, Caller caller);

/// Of places that are sorted along `axis` and none below 0: whether each is the last of its like (bool).
Tensor is_last(const Tensor& places, int axis);

}  // namespace fovea::autograd
