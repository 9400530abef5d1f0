#include "fovea/tensor/derivative.h"

#include <cmath>

namespace fovea {
namespace {

/// Whether the derivative of `op` is written with its own result, so that saving the output spares computing it again.
bool derivative_uses_result(Op op) {
  switch (op) {
    case Op::sqrt:
    case Op::rsqrt:
    case Op::reciprocal:
    case Op::exp:
    case Op::expm1:
    case Op::tanh:
    case Op::sigmoid:
    case Op::relu:
      return true;
    default:
      return false;
  }
}

/// The gradients of one node's operands from its own: d[k] for operand k. x holds the operands' values, y the result.
struct OperandGradients {
  Expr d[3];
};

OperandGradients differentiate(Op op, Expr g, const Expr* x, Expr y) {
  const Expr zero = Expr(0.0);
  switch (op) {
    case Op::neg:
      return {{-g, zero, zero}};
    case Op::abs:
      return {{g * sign(x[0]), zero, zero}};
    case Op::square:
      return {{g * (2.0 * x[0]), zero, zero}};
    case Op::sqrt:
      return {{0.5 * g / y, zero, zero}};
    case Op::rsqrt:
      return {{-0.5 * g * (y * square(y)), zero, zero}};
    case Op::reciprocal:
      return {{-(g * square(y)), zero, zero}};
    case Op::exp:
      return {{g * y, zero, zero}};
    case Op::expm1:
      return {{g * (y + 1.0), zero, zero}};
    case Op::log:
      return {{g / x[0], zero, zero}};
    case Op::log1p:
      return {{g / (x[0] + 1.0), zero, zero}};
    case Op::sin:
      return {{g * cos(x[0]), zero, zero}};
    case Op::cos:
      return {{-(g * sin(x[0])), zero, zero}};
    case Op::tanh:
      return {{g * (1.0 - square(y)), zero, zero}};
    case Op::sigmoid:
      return {{g * (y * (1.0 - y)), zero, zero}};
    case Op::erf:
      return {{g * (2.0 / std::sqrt(3.14159265358979323846) * exp(-square(x[0]))), zero, zero}};
    case Op::softplus:
      return {{g * sigmoid(x[0]), zero, zero}};
    case Op::relu:
      return {{where(y <= 0.0, 0.0, g), zero, zero}};  // NaN hides no gradient
    case Op::add:
      return {{g, g, zero}};
    case Op::sub:
      return {{g, -g, zero}};
    case Op::mul:
      return {{g * x[1], g * x[0], zero}};
    case Op::div:
      return {{g / x[1], -(g / x[1] * (x[0] / x[1])), zero}};
    case Op::pow: {
      // 0 where the exponent is 0, and 0 for the exponent of a base 0, where the formulas would give 0 * inf. They are
      // computed all the same, and differentiated: of another exponent or base then.
      const Expr no_power = x[1] == 0.0, no_base = x[0] == 0.0 && x[1] >= 0.0;
      return {{where(no_power, 0.0, g * (x[1] * pow(x[0], where(no_power, 1.0, x[1]) - 1.0))),
               where(no_base, 0.0, g * (y * log(where(no_base, 1.0, x[0])))), zero}};
    }
    case Op::atan2: {
      const Expr length = square(x[0]) + square(x[1]), nowhere = length == 0.0;
      const Expr share = where(nowhere, 0.0, g / where(nowhere, 1.0, length));
      return {{share * x[1], -(share * x[0]), zero}};
    }
    case Op::maximum: {
      const Expr share = where(x[0] == x[1], 0.5 * g, g);  // all of it where one is NaN
      return {{where(x[0] < x[1], 0.0, share), where(x[0] > x[1], 0.0, share), zero}};
    }
    case Op::minimum: {
      const Expr share = where(x[0] == x[1], 0.5 * g, g);
      return {{where(x[0] > x[1], 0.0, share), where(x[0] < x[1], 0.0, share), zero}};
    }
    case Op::select:
      return {{zero, where(x[0], g, 0.0), where(x[0], 0.0, g)}};
    case Op::fma:
      return {{g * x[1], g * x[0], g}};
    default:
      return {{zero, zero, zero}};  // piecewise constant: sign, floor, comparisons, ...
  }
}

/// Keeps what the outputs need and renumbers the inputs that are left.
void keep_used_inputs(Derivative& derivative) {
  ElementwiseFunction& function = derivative.function;
  const std::vector<Instruction>& nodes = function.graph.nodes();
  std::vector<bool> used(nodes.size(), false);
  for (Expr output : function.outputs) used[static_cast<size_t>(output.id())] = true;
  for (size_t i = nodes.size(); i-- > 0;) {
    if (!used[i]) continue;
    for (int k = 0; k < arity(nodes[i].op); ++k) used[nodes[i].operands[k]] = true;
  }
  ExprGraph kept;
  std::vector<Expr> moved(nodes.size(), Expr(ExprId{}));
  std::vector<DerivativeInput> inputs;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!used[i]) continue;
    moved[i] = kept.copy(nodes[i], moved, [&](uint16_t index) {
      inputs.push_back(derivative.inputs[index]);
      return kept.input(static_cast<int>(inputs.size()) - 1);
    });
  }
  for (Expr& output : function.outputs) output = moved[static_cast<size_t>(output.id())];
  function.graph = std::move(kept);
  function.inputs = static_cast<int>(inputs.size());
  derivative.inputs = std::move(inputs);
}

}  // namespace

Derivative derive(const ElementwiseFunction& function, uint64_t wanted, bool outputs_kept) {
  const std::vector<Instruction>& nodes = function.graph.nodes();
  Derivative derivative;
  ElementwiseFunction& result = derivative.function;
  result.name = function.name + "_backward";
  result.scalars = function.scalars;
  ExprGraph& graph = result.graph;
  const ExprGraph::Building building(graph);

  const int outputs = static_cast<int>(function.outputs.size());
  for (int i = 0; i < function.inputs; ++i) derivative.inputs.push_back({DerivativeInput::From::input, i});
  for (int i = 0; i < outputs; ++i) derivative.inputs.push_back({DerivativeInput::From::output, i});
  for (int i = 0; i < outputs; ++i) derivative.inputs.push_back({DerivativeInput::From::gradient, i});

  // The forward values, in the new graph; an output whose derivative needs its own result is read back.
  std::vector<Expr> value(nodes.size(), Expr(ExprId{}));
  std::vector<bool> active(nodes.size(), false);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Instruction& node = nodes[i];
    value[i] = graph.copy(node, value, [&](uint16_t index) { return graph.input(index); });
    if (node.op == Op::input) active[i] = wanted >> node.index & 1;
    for (int k = 0; k < arity(node.op); ++k) active[i] = active[i] || active[node.operands[k]];
    for (int output = 0; outputs_kept && output < outputs; ++output) {
      if (function.outputs[static_cast<size_t>(output)].id() == static_cast<int>(i) &&
          derivative_uses_result(node.op)) {
        value[i] = graph.input(function.inputs + output);
      }
    }
  }

  std::vector<Expr> gradient(nodes.size(), Expr(0.0));
  for (int output = 0; output < outputs; ++output) {
    const size_t i = static_cast<size_t>(function.outputs[static_cast<size_t>(output)].id());
    gradient[i] = gradient[i] + graph.input(function.inputs + outputs + output);
  }
  for (size_t i = nodes.size(); i-- > 0;) {
    const Instruction& node = nodes[i];
    const int operands = arity(node.op);
    // What is passed no gradient passes none on, whatever its slope: 0 / 0 would be one.
    const Instruction& passed = graph.node(gradient[i]);
    if (!active[i] || operands == 0 || (passed.op == Op::constant && passed.value == 0)) continue;
    const Expr x[] = {value[node.operands[0]], value[node.operands[1]], value[node.operands[2]]};
    const OperandGradients d = differentiate(node.op, gradient[i], x, value[i]);
    for (int k = 0; k < operands; ++k) {
      const size_t operand = node.operands[k];
      if (active[operand]) gradient[operand] = gradient[operand] + d.d[k];
    }
  }
  for (int input = 0; input < function.inputs; ++input) {
    if (!(wanted >> input & 1)) continue;
    Expr found = graph.constant(0);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].op == Op::input && nodes[i].index == input) found = gradient[i];
    }
    result.outputs.push_back(found);
    derivative.wanted.push_back(input);
  }
  keep_used_inputs(derivative);
  return derivative;
}

}  // namespace fovea
