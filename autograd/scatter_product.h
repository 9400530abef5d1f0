#pragma once

#include "fovea/tensor/tensor.h"

namespace fovea::autograd {

/// The products that scatter_reduce makes: `index` has the sizes of `source`, and `named` (bool) tells of each place of x
/// whether it stands there. Derivatives are products of all the others, so that zeros have theirs.
Tensor scatter_product(const Tensor& x, int axis, const Tensor& index, const Tensor& source, const Tensor& named,
                       bool include_self, Caller caller);

}  // namespace fovea::autograd
