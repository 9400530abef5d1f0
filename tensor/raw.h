#pragma once

#include <span>

#include "fovea/tensor/tensor.h"

// Tensors without the graph: what autograd's operations and the optimizers are made of.
namespace fovea::raw {

/// Throws ShapeError where a size is negative, or where no 64 bits count the bytes of such a tensor; `name` is the
/// operation's.
void check_shape(const Shape& shape, const char* name, Caller caller);
/// Throws DTypeError for a dtype that the device computes nothing in: f64 is for the CPU.
void check_dtype(TensorOptions options, const char* name, Caller caller);
[[noreturn]] void refuse_undefined(const char* name, Caller caller);
/// Throws ValueError where x is undefined, as one that was moved from is.
inline void check_defined(const char* name, const Tensor& x, Caller caller) {
  if (!x.defined()) refuse_undefined(name, caller);
}
/// Throws DTypeError or DeviceError where one that is defined has not the first one's dtype or device, and ValueError
/// where the first is undefined or on another device than the step that is being captured.
void check_alike(const char* name, std::initializer_list<const Tensor*> tensors, Caller caller);
/// Throws DTypeError where x has no floating dtype, ValueError where it is undefined or on another device than the step
/// that is being captured.
void check_floating(const char* name, const Tensor& x, Caller caller);
/// Values in row-major order, rounded to the dtype and written to the device without a kernel of any: captured steps,
/// which keep to one device, may do it.
Tensor from_host(const std::vector<double>& values, const Shape& shape, TensorOptions options);
/// Contiguous, content undefined.
Tensor empty(const Shape& shape, TensorOptions options);

/// Another window on the same buffer, outside the graph.
Tensor window(const Tensor& base, const Shape& shape, const Strides& strides, int64_t offset);

/// `count` places along an axis from `start` on, `step` apart, which x has.
Tensor slice(const Tensor& x, int axis, int64_t start, int64_t step, int64_t count);

/// The window with `shape` in row-major order of x's elements, or undefined where strides do not allow one.
Tensor try_reshape(const Tensor& x, const Shape& shape);

/// x with axes of size 1 repeated to `shape` (already checked to fit).
Tensor expand(const Tensor& x, const Shape& shape);

/// destination = source, broadcast and converted; same device.
void copy(const Tensor& source, const Tensor& destination);

/// Throws ValueError where x, which is to be written, repeats elements (stride 0) or has windows that overlap.
void check_writable(const Tensor& x, const char* operation, Caller caller);

/// `source`, or a copy of it where writing `destination` element by element would change elements that are still to be
/// read: both lie in the same memory but not in the same order.
Tensor unaliased(const Tensor& source, const Tensor& destination);

/// Itself where contiguous or undefined, else a contiguous copy.
Tensor contiguous(const Tensor& x);

/// A contiguous copy, outside the graph.
Tensor clone(const Tensor& x);

/// What kernels take for an operand that may be left out.
inline const View* view_or_null(const Tensor& x) { return x.defined() ? &x.view() : nullptr; }

Tensor convert(const Tensor& x, DType dtype);
Tensor to_device(const Tensor& x, Device device);

/// The dtype arithmetic on `dtype` is done in: f16 and bf16 in f32, bool in i32.
DType compute_dtype(DType dtype);

/// Runs a program over `space`; see MapCall.
void map(const Program& program, DType compute, const Shape& space, std::initializer_list<const Tensor*> inputs,
         std::initializer_list<const Tensor*> outputs, std::span<const double> scalars = {});

/// accumulator += x, both of one shape and dtype.
void accumulate(const Tensor& accumulator, const Tensor& x);

}  // namespace fovea::raw

namespace fovea {

/// The shape both broadcast to. Throws ShapeError naming the operation and both shapes.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* operation, Caller caller);

}  // namespace fovea
