#pragma once

#include "fovea/onnx/graph.h"

// The operators of ONNX that emitters are written with, by the names and meanings of fovea's own. Sizes of values need
// not be known: what hangs on them is computed in the graph. Axes may be negative.
namespace fovea::onnx {

Value operator+(const Value& a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator+(const Value& a, double b);
Value operator-(const Value& a, double b);
Value operator*(const Value& a, double b);
Value operator/(const Value& a, double b);
Value operator<(const Value& a, const Value& b);
Value operator>(const Value& a, const Value& b);
Value maximum(const Value& a, double b);
Value where(const Value& condition, const Value& a, const Value& b);
Value where(const Value& condition, const Value& a, double b);
Value cast(const Value& x, Element element);

Value exp(const Value& x);
Value gelu(const Value& x);
Value relu(const Value& x);
Value sigmoid(const Value& x);
Value silu(const Value& x);
Value softplus(const Value& x);
Value tanh(const Value& x);

Value matmul(const Value& a, const Value& b);
Value softmax(const Value& x, int64_t axis);
Value sum(const Value& x, std::vector<int64_t> axes, bool keep_axes = false);
Value mean(const Value& x, std::vector<int64_t> axes, bool keep_axes = false);
Value amax(const Value& x, std::vector<int64_t> axes, bool keep_axes = false);
Value cumsum(const Value& x, int64_t axis);

/// The size of an axis, i64 [1].
Value size(const Value& x, int64_t axis);
/// f32 [n]: 0, 1, ... n - 1, for n i64 [1].
Value range(const Value& n);
/// bool [..., time], true before each length: lengths i64 [...], time i64 [1].
Value before(const Value& lengths, const Value& time);

/// A size of what reshape makes: a number (-1: what is left) or i64 [1].
using NewSize = std::variant<int64_t, Value>;
Value reshape(const Value& x, const std::vector<NewSize>& sizes);
Value permute(const Value& x, std::vector<int64_t> axes);
Value unsqueeze(const Value& x, std::vector<int64_t> axes);
Value squeeze(const Value& x, std::vector<int64_t> axes);
Value concat(const std::vector<Value>& parts, int64_t axis);
Value slice(const Value& x, int64_t axis, int64_t begin, int64_t end = INT64_MAX);
/// The first `count` (i64 [1]) of an axis.
Value first(const Value& x, int64_t axis, const Value& count);
/// Rows of a table.
Value gather(const Value& table, const Value& index);

/// The greatest of each window without padding, as max_pool2d; windows do not overlap.
Value max_pool2d(const Value& x, int64_t window);

}  // namespace fovea::onnx
