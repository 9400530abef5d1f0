#pragma once

#include <vector>

#include "fovea/tensor/tensor.h"

// Weights in 8 bits, for models that are trained already.
namespace fovea {

/// A tensor whose first axis has a scale for each place: element [r, ...] is scales[r] times a whole number from -127 to
/// 127.
struct Int8Rows {
  Shape shape;
  std::vector<int8_t> values;
  std::vector<float> scales;
};

/// The nearest such tensor to an f32 one of one axis or more, of those whose scales bf16 holds: 2 bytes a row are enough,
/// since a scale that is rounded up by less than a hundredth makes all steps of its row longer by no more. Throws
/// ShapeError, DTypeError, ValueError where a number is not finite.
Int8Rows to_int8(const Tensor& x, Caller caller = {});
Tensor from_int8(const Int8Rows& x);

/// From here on `linear` with this weight, a leaf on the CPU that holds from_int8(rows), multiplies whole numbers where
/// no gradient is recorded: rows of its input are rounded to 8 bits, each with a scale of its own, and products are
/// summed in 32 bits. Until the weight changes, and where that pays: for matrices that are not small, on a CPU that has
/// instructions for it. Returns whether it does.
bool multiply_in_int8(const Tensor& weight, const Int8Rows& rows, Caller caller = {});

namespace autograd {
/// The result of such a product; undefined where floats are to be multiplied.
Tensor int8_linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
}  // namespace autograd

}  // namespace fovea
