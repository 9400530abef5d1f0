#pragma once

#include "fovea/autograd/elementwise.h"
#include "fovea/onnx/graph.h"

// The operators of ONNX that emitters are written with, by the names and meanings of fovea's own. Sizes of values need
// not be known: what hangs on them is computed in the graph. Axes may be negative. Throw ValueError where an argument is
// none, or of another graph than the first.
namespace fovea::onnx {

Value operator+(const Argument& a, const Argument& b);
Value operator-(const Argument& a, const Argument& b);
Value operator*(const Argument& a, const Argument& b);
Value operator/(const Argument& a, const Argument& b);
Value operator+(const Argument& a, double b);
Value operator-(const Argument& a, double b);
Value operator*(const Argument& a, double b);
Value operator/(const Argument& a, double b);
Value operator<(const Argument& a, const Argument& b);
Value operator>(const Argument& a, const Argument& b);
Value logical_and(const Argument& a, const Argument& b);
Value maximum(const Argument& a, double b);
Value minimum(const Argument& a, double b);
Value where(const Argument& condition, const Argument& a, const Argument& b);
Value where(const Argument& condition, const Argument& a, double b);
Value cast(const Argument& x, Element element);

Value abs(const Argument& x);
Value exp(const Argument& x);
Value gelu(const Argument& x);
Value log(const Argument& x);
Value relu(const Argument& x);
Value sigmoid(const Argument& x);
Value silu(const Argument& x);
Value softplus(const Argument& x);
Value sqrt(const Argument& x);
Value tanh(const Argument& x);

/// A value or a number, for an elementwise function.
using ElementwiseArgument = std::variant<Value, double>;
/// An elementwise function of f32, as `function(a, b, ...)`: its expression as nodes, `emit(swish, {x, 1.5})`. Throws
/// ValueError where it has several outputs.
Value emit(const Elementwise& function, const std::vector<ElementwiseArgument>& arguments, Caller caller = {});
/// A function of fovea/autograd/pointwise.h of one f32 operand: `emit(mish, x)`. Throws ValueError where it is none of them.
Value emit(Tensor (*function)(Operand), const Argument& x);

Value matmul(const Argument& a, const Argument& b);
Value softmax(const Argument& x, int64_t axis);
Value sum(const Argument& x, std::vector<int64_t> axes, bool keep_axes = false);
Value mean(const Argument& x, std::vector<int64_t> axes, bool keep_axes = false);
Value amax(const Argument& x, std::vector<int64_t> axes, bool keep_axes = false);
Value cumsum(const Argument& x, int64_t axis);

/// The size of an axis, i64 [1].
Value size(const Argument& x, int64_t axis);
/// f32 [n]: 0, 1, ... n - 1, for n i64 [1].
Value range(const Argument& n);
/// bool [..., time], true before each length: lengths i64 [...], time i64 [1].
Value before(const Argument& lengths, const Argument& time);

/// A size of what reshape makes: a number (-1: what is left) or i64 [1].
using NewSize = std::variant<int64_t, Value>;
Value reshape(const Argument& x, const std::vector<NewSize>& sizes);
Value permute(const Argument& x, std::vector<int64_t> axes);
Value unsqueeze(const Argument& x, std::vector<int64_t> axes);
Value squeeze(const Argument& x, std::vector<int64_t> axes);
Value concat(const std::vector<Value>& parts, int64_t axis, Caller caller = {});
Value slice(const Argument& x, int64_t axis, int64_t begin, int64_t end = INT64_MAX);
/// The first `count` (i64 [1]) of an axis.
Value first(const Argument& x, int64_t axis, const Argument& count);
/// Rows of a table.
Value gather(const Argument& table, const Argument& index);

/// The greatest of each window without padding, as max_pool2d; windows do not overlap.
Value max_pool2d(const Argument& x, int64_t window);

}  // namespace fovea::onnx
