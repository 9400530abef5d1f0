#include <numbers>

#include "fovea/autograd/elementwise_kernel.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/onnx/operations.h"

// Expressions as nodes of a graph.
namespace fovea::onnx {
namespace {

/// ONNX's operator where it computes what the instruction does, else none.
const char* operator_of(Op op) {
  switch (op) {
    case Op::neg:
      return "Neg";
    case Op::abs:
      return "Abs";
    case Op::sign:
      return "Sign";
    case Op::sqrt:
      return "Sqrt";
    case Op::reciprocal:
      return "Reciprocal";
    case Op::exp:
      return "Exp";
    case Op::log:
      return "Log";
    case Op::sin:
      return "Sin";
    case Op::cos:
      return "Cos";
    case Op::tanh:
      return "Tanh";
    case Op::sigmoid:
      return "Sigmoid";
    case Op::erf:
      return "Erf";
    case Op::softplus:
      return "Softplus";
    case Op::relu:
      return "Relu";
    case Op::floor:
      return "Floor";
    case Op::ceil:
      return "Ceil";
    case Op::round:
      return "Round";
    case Op::logical_not:
      return "Not";
    case Op::isnan:
      return "IsNaN";
    case Op::add:
      return "Add";
    case Op::sub:
      return "Sub";
    case Op::mul:
      return "Mul";
    case Op::div:
      return "Div";
    case Op::pow:
      return "Pow";
    case Op::maximum:
      return "Max";
    case Op::minimum:
      return "Min";
    case Op::eq:
      return "Equal";
    case Op::lt:
      return "Less";
    case Op::le:
      return "LessOrEqual";
    case Op::gt:
      return "Greater";
    case Op::ge:
      return "GreaterOrEqual";
    case Op::logical_and:
      return "And";
    case Op::logical_or:
      return "Or";
    case Op::select:
      return "Where";
    default:
      return nullptr;
  }
}

Value equal(const Value& a, double b) { return a.graph().node("Equal", {a, a.graph().scalar(b)}); }
Value negation(const Value& condition) { return condition.graph().node("Not", {condition}); }

/// e^x - 1 = tanh(x / 2) (e^x + 1), which keeps its digits near 0.
Value expm1(const Value& x) { return tanh(x * 0.5) * (exp(x) + 1); }

/// log(1 + x) = 2 atanh(x / (2 + x)), which keeps its digits near 0.
Value log1p(const Value& x) {
  Graph& graph = x.graph();
  const Value near = abs(x) < graph.scalar(0.5);
  const Value small = where(near, x, 0);
  return where(near, graph.node("Atanh", {small / (small + 2)}) * 2, log(x + 1));
}

Value atan2(const Value& y, const Value& x) {
  Graph& graph = y.graph();
  const Value zero = graph.scalar(0), pi = graph.scalar(std::numbers::pi);
  const Value half_turn = where(x < zero, where(y < zero, graph.node("Neg", {pi}), pi), zero);
  const Value elsewhere = negation(logical_and(equal(x, 0), equal(y, 0)));  // than where both are 0
  return where(elsewhere, graph.node("Atan", {y / where(elsewhere, x, 1)}) + half_turn, 0);
}

/// The value of an instruction from those of its operands.
Value computed(Op op, const std::vector<Value>& of) {
  Graph& graph = of[0].graph();
  if (const char* name = operator_of(op)) return graph.node(name, of);
  switch (op) {
    case Op::square:
      return of[0] * of[0];
    case Op::rsqrt:
      return graph.node("Reciprocal", {sqrt(of[0])});
    case Op::expm1:
      return expm1(of[0]);
    case Op::log1p:
      return log1p(of[0]);
    case Op::atan2:
      return atan2(of[0], of[1]);
    case Op::ne:
      return negation(graph.node("Equal", of));
    default:  // fma; leaves have no operands
      return of[0] * of[1] + of[2];
  }
}

/// Whether an instruction reads operand `i` as true or false.
bool reads_truth(Op op, size_t i) {
  return op == Op::logical_and || op == Op::logical_or || op == Op::logical_not || (op == Op::select && i == 0);
}

/// A value of an expression, which may be true or false in one place and 1 or 0 in another.
class Either {
 public:
  Either(Value made, bool truth) : made_(std::move(made)), truth_(truth) {}
  const Value& as_made() const { return made_; }
  Value as(bool truth) const {
    if (truth == truth_) return made_;
    return truth ? negation(equal(made_, 0)) : cast(made_, Element::f32);
  }

 private:
  Value made_;
  bool truth_;
};

}  // namespace

Value emit(const Elementwise& function, const std::vector<ElementwiseArgument>& arguments, Caller caller) {
  const ElementwiseKernel& kernel = function.kernel();
  const ElementwiseFunction& f = kernel.function;
  if (arguments.size() != kernel.is_scalar.size()) {
    raise<ValueError>(caller, "onnx: {} takes {} arguments, not {}", f.name, kernel.is_scalar.size(), arguments.size());
  }
  if (f.outputs.size() != 1) raise<ValueError>(caller, "onnx: {} has {} outputs", f.name, f.outputs.size());
  Graph* graph = nullptr;
  for (const ElementwiseArgument& each : arguments) {
    if (const auto* value = std::get_if<Value>(&each)) graph = &value->graph(caller);
  }
  if (!graph) raise<ValueError>(caller, "onnx: {}: needs a value among its arguments", f.name);
  const auto value_of = [&](const ElementwiseArgument& argument) {
    const auto* value = std::get_if<Value>(&argument);
    return value ? *value : graph->scalar(std::get<double>(argument));
  };
  std::vector<Value> inputs, scalars;
  for (size_t p = 0; p < arguments.size(); ++p) {
    if (kernel.is_scalar[p] && std::holds_alternative<Value>(arguments[p])) {
      raise<ValueError>(caller, "onnx: {}: argument {} must be a number", f.name, p);
    }
    (kernel.is_scalar[p] ? scalars : inputs).push_back(value_of(arguments[p]));
  }
  // Behind the output nothing is needed, before it perhaps not all.
  const auto last = static_cast<size_t>(f.outputs[0].id());
  const std::vector<Instruction>& code = f.graph.nodes();
  std::vector<bool> needed(last + 1, false);
  needed[last] = true;
  for (size_t at = last + 1; at-- > 0;) {
    for (int i = 0; needed[at] && i < arity(code[at].op); ++i) needed[code[at].operands[i]] = true;
  }
  std::vector<Either> values;
  for (size_t at = 0; at <= last; ++at) {
    const Instruction& step = code[at];
    if (!needed[at]) {
      values.emplace_back(Value(), false);
    } else if (step.op == Op::input) {
      values.emplace_back(inputs[step.index], false);
    } else if (step.op == Op::scalar) {
      values.emplace_back(scalars[step.index], false);
    } else if (step.op == Op::constant) {
      values.emplace_back(graph->scalar(step.value), false);
    } else {
      std::vector<Value> operands;
      for (size_t i = 0; i < static_cast<size_t>(arity(step.op)); ++i) {
        operands.push_back(values[step.operands[i]].as(reads_truth(step.op, i)));
      }
      values.emplace_back(computed(step.op, operands), is_predicate(step.op));
    }
  }
  return values[last].as_made();
}

Value emit(Tensor (*function)(Operand), const Argument& x) {
  using Function = Tensor (*)(Operand);
  // Of overloads those that take an Operand.
  static const std::vector<std::pair<Function, Op>> single{
      {fovea::neg, Op::neg},       {fovea::abs, Op::abs},     {fovea::sign, Op::sign},
      {fovea::square, Op::square}, {fovea::sqrt, Op::sqrt},   {fovea::rsqrt, Op::rsqrt},
      {fovea::exp, Op::exp},       {fovea::expm1, Op::expm1}, {fovea::reciprocal, Op::reciprocal},
      {fovea::log, Op::log},       {fovea::log1p, Op::log1p}, {fovea::softplus, Op::softplus},
      {fovea::sin, Op::sin},       {fovea::cos, Op::cos},     {fovea::sigmoid, Op::sigmoid},
      {fovea::tanh, Op::tanh},     {fovea::erf, Op::erf},     {fovea::relu, Op::relu},
      {fovea::floor, Op::floor},   {fovea::ceil, Op::ceil},   {fovea::round, Op::round},
  };
  for (const auto& [known, op] : single) {
    if (function == known) return computed(op, {x});
  }
  if (function == Function{fovea::gelu}) return gelu(x);
  if (function == Function{fovea::silu}) return silu(x);
  if (function == Function{fovea::mish}) return x * tanh(softplus(x));
  if (function == Function{fovea::gelu_tanh}) {
    const double scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    return x * 0.5 * (tanh((x + x * x * x * 0.044715) * scale) + 1);
  }
  if (function == Function{fovea::hardsigmoid}) {
    return x.graph().node("HardSigmoid", {x}, {{"alpha", 1.0F / 6}, {"beta", 0.5F}});
  }
  raise<ValueError>(x.caller(),
                    "onnx: a function that cannot be looked into; an Elementwise, or a module that is "
                    "onnx::Exportable, can be written down");
}

}  // namespace fovea::onnx
