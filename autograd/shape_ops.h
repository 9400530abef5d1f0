#pragma once

#include <vector>

#include "fovea/tensor/tensor.h"

// Operations that move elements. The views (reshape, permute, slice, ...) are members of Tensor. Errors: ShapeError,
// DTypeError, ValueError, IndexError for an axis that there is not.
namespace fovea {

/// x summed over the axes in which `shape` was broadcast to x's shape: the adjoint of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape, Caller caller = {});

/// Joined along an existing axis; the other sizes must agree.
Tensor concat(const std::vector<Tensor>& tensors, int axis = 0, Caller caller = {});
/// Joined along a new axis; all shapes must agree.
Tensor stack(const std::vector<Tensor>& tensors, int axis = 0, Caller caller = {});
/// Copies of x side by side, `repeats` of them along each axis (new axes in front).
Tensor repeat(const Tensor& x, const Shape& repeats, Caller caller = {});
/// Each element of an axis `repeats` times in a row: [a, b] -> [a, a, b, b].
Tensor repeat_interleave(const Tensor& x, int64_t repeats, int axis, Caller caller = {});
/// Elements moved by `shifts` along `axes`, one for each; what leaves an axis at its end comes in at its start. Without
/// axes x is moved as the vector of its elements.
Tensor roll(const Tensor& x, const Shape& shifts, const Axes& axes = {}, Caller caller = {});
/// x framed by `value`: `sizes` holds pairs (before, after) from the last axis on, PyTorch's order; a negative one
/// crops.
Tensor pad(const Tensor& x, std::initializer_list<int64_t> sizes, double value = 0, Caller caller = {});
Tensor pad(const Tensor& x, const std::vector<int64_t>& sizes, double value = 0, Caller caller = {});
/// The last two axes with 0 above the diagonal-th diagonal (tril) or below it (triu).
Tensor tril(const Tensor& x, int64_t diagonal = 0, Caller caller = {});
Tensor triu(const Tensor& x, int64_t diagonal = 0, Caller caller = {});
/// x [..., channels factor^2, h, w] -> [..., channels, h factor, w factor]: every factor^2 channels become a block of each
/// of their elements (Shi et al. 2016).
Tensor pixel_shuffle(const Tensor& x, int64_t factor, Caller caller = {});

/// Zeros of `shape` with x written into the window start, start + step, ... of one axis: the adjoint of slice.
Tensor slice_scatter(const Tensor& x, const Shape& shape, int axis, int64_t start, int64_t step, Caller caller = {});
/// x [..., windows, ..., size], where `axis` counts windows, each added to its place of an axis of `length` elements, and
/// zeros where there is none: the adjoint of Tensor::unfold, whose windows may overlap.
Tensor overlap_add(const Tensor& x, int axis, int64_t length, int64_t step = 1, int64_t dilation = 1,
                   Caller caller = {});
/// Zeros of `shape` with x written into a diagonal: the adjoint of Tensor::diagonal.
Tensor diagonal_scatter(const Tensor& x, const Shape& shape, int64_t offset, int axis0, int axis1, Caller caller = {});

}  // namespace fovea
