#include "fovea/onnx/operations.h"

#include <numbers>

namespace fovea::onnx {
namespace {

Value unary(const char* op, const Argument& x) { return x.graph().node(op, {x}, {}, x.caller()); }
Value binary(const char* op, const Argument& a, const Argument& b) {
  b.graph();  // is there
  return a.graph().node(op, {a, b}, {}, a.caller());
}
Value number(const Argument& beside, double value) { return beside.graph().scalar(value); }
Value integers(const Argument& beside, std::vector<int64_t> values) { return beside.graph().constant(values); }

/// A reduction whose axes are an attribute, as all but the sum have them in opset 17.
Value reduce(const char* op, const Argument& x, std::vector<int64_t> axes, bool keep_axes) {
  return x.graph().node(op, {x}, {{"axes", std::move(axes)}, {"keepdims", int64_t{keep_axes}}});
}

}  // namespace

Value operator+(const Argument& a, const Argument& b) { return binary("Add", a, b); }
Value operator-(const Argument& a, const Argument& b) { return binary("Sub", a, b); }
Value operator*(const Argument& a, const Argument& b) { return binary("Mul", a, b); }
Value operator/(const Argument& a, const Argument& b) { return binary("Div", a, b); }
Value operator+(const Argument& a, double b) { return a + number(a, b); }
Value operator-(const Argument& a, double b) { return a - number(a, b); }
Value operator*(const Argument& a, double b) { return a * number(a, b); }
Value operator/(const Argument& a, double b) { return a / number(a, b); }
Value operator<(const Argument& a, const Argument& b) { return binary("Less", a, b); }
Value operator>(const Argument& a, const Argument& b) { return binary("Greater", a, b); }
Value logical_and(const Argument& a, const Argument& b) { return binary("And", a, b); }
Value maximum(const Argument& a, double b) { return binary("Max", a, number(a, b)); }
Value minimum(const Argument& a, double b) { return binary("Min", a, number(a, b)); }
Value where(const Argument& condition, const Argument& a, const Argument& b) {
  for (const Argument* each : {&a, &b}) each->graph();
  return condition.graph().node("Where", {condition, a, b}, {}, condition.caller());
}
Value where(const Argument& condition, const Argument& a, double b) { return where(condition, a, number(a, b)); }
Value cast(const Argument& x, Element element) {
  return x.graph().node("Cast", {x}, {{"to", static_cast<int64_t>(element)}});
}

Value abs(const Argument& x) { return unary("Abs", x); }
Value exp(const Argument& x) { return unary("Exp", x); }
Value gelu(const Argument& x) { return x * 0.5 * (unary("Erf", x * (1 / std::numbers::sqrt2)) + 1); }
Value log(const Argument& x) { return unary("Log", x); }
Value relu(const Argument& x) { return unary("Relu", x); }
Value sigmoid(const Argument& x) { return unary("Sigmoid", x); }
Value silu(const Argument& x) { return x * sigmoid(x); }
Value softplus(const Argument& x) { return unary("Softplus", x); }
Value sqrt(const Argument& x) { return unary("Sqrt", x); }
Value tanh(const Argument& x) { return unary("Tanh", x); }

Value matmul(const Argument& a, const Argument& b) { return binary("MatMul", a, b); }
Value softmax(const Argument& x, int64_t axis) { return x.graph().node("Softmax", {x}, {{"axis", axis}}); }
Value sum(const Argument& x, std::vector<int64_t> axes, bool keep_axes) {
  return x.graph().node("ReduceSum", {x, integers(x, std::move(axes))}, {{"keepdims", int64_t{keep_axes}}});
}
Value mean(const Argument& x, std::vector<int64_t> axes, bool keep_axes) {
  return reduce("ReduceMean", x, std::move(axes), keep_axes);
}
Value amax(const Argument& x, std::vector<int64_t> axes, bool keep_axes) {
  return reduce("ReduceMax", x, std::move(axes), keep_axes);
}
Value cumsum(const Argument& x, int64_t axis) { return binary("CumSum", x, x.graph().integer(axis)); }

Value size(const Argument& x, int64_t axis) {
  std::vector<Attribute> ends{{"start", axis}};
  if (axis != -1) ends.emplace_back("end", axis + 1);
  return x.graph().node("Shape", {x}, ends);
}

Value range(const Argument& n) {
  Graph& graph = n.graph();
  return cast(graph.node("Range", {graph.integer(0), squeeze(n, {0}), graph.integer(1)}), Element::f32);
}

Value before(const Argument& lengths, const Argument& time) {
  return range(time) < unsqueeze(cast(lengths, Element::f32), {-1});
}

Value reshape(const Argument& x, const std::vector<NewSize>& sizes) {
  std::vector<int64_t> numbers;
  for (const NewSize& each : sizes) {
    if (const auto* known = std::get_if<int64_t>(&each)) numbers.push_back(*known);
  }
  if (numbers.size() == sizes.size()) return binary("Reshape", x, integers(x, numbers));
  std::vector<Value> parts;
  for (const NewSize& each : sizes) {
    const auto* known = std::get_if<int64_t>(&each);
    parts.push_back(known ? integers(x, {*known}) : std::get<Value>(each));
  }
  return binary("Reshape", x, concat(parts, 0));
}

Value permute(const Argument& x, std::vector<int64_t> axes) {
  return x.graph().node("Transpose", {x}, {{"perm", std::move(axes)}});
}
Value unsqueeze(const Argument& x, std::vector<int64_t> axes) {
  return binary("Unsqueeze", x, integers(x, std::move(axes)));
}
Value squeeze(const Argument& x, std::vector<int64_t> axes) {
  return binary("Squeeze", x, integers(x, std::move(axes)));
}
Value concat(const std::vector<Value>& parts, int64_t axis, Caller caller) {
  if (parts.empty()) raise<ValueError>(caller, "onnx: concat: nothing to join");
  for (const Value& each : parts) each.graph(caller);
  return parts.size() == 1 ? parts[0] : parts[0].graph().node("Concat", parts, {{"axis", axis}}, caller);
}
Value slice(const Argument& x, int64_t axis, int64_t begin, int64_t end) {
  return x.graph().node("Slice", {x, integers(x, {begin}), integers(x, {end}), integers(x, {axis})});
}
Value first(const Argument& x, int64_t axis, const Argument& count) {
  count.graph();
  return x.graph().node("Slice", {x, integers(x, {0}), count, integers(x, {axis})}, {}, x.caller());
}
Value gather(const Argument& table, const Argument& index) { return binary("Gather", table, index); }

Value max_pool2d(const Argument& x, int64_t window) {
  const std::vector<int64_t> sides{window, window};
  return x.graph().node("MaxPool", {x}, {{"kernel_shape", sides}, {"strides", sides}});
}

}  // namespace fovea::onnx
