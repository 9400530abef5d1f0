#include "fovea/tensor/expr.h"

#include <bit>
#include <cmath>
#include <limits>

#include "fovea/backends/error.h"

namespace fovea {
namespace {

thread_local ExprGraph* current = nullptr;

ExprGraph& building() {
  if (!current) throw ValueError("expression: an Expr is used outside the lambda of an Elementwise");
  return *current;
}

Expr unary(Op op, Expr x) { return building().make(op, x); }
Expr binary(Op op, Expr a, Expr b) { return building().make(op, a, b); }

double evaluate(Op op, double a, double b, double c) {
  switch (op) {
    case Op::input:
    case Op::scalar:
    case Op::constant:
      break;
    case Op::neg:
      return -a;
    case Op::abs:
      return std::fabs(a);
    case Op::sign:
      return std::isnan(a) ? a : static_cast<double>((a > 0) - (a < 0));
    case Op::square:
      return a * a;
    case Op::sqrt:
      return std::sqrt(a);
    case Op::rsqrt:
      return 1 / std::sqrt(a);
    case Op::reciprocal:
      return 1 / a;
    case Op::exp:
      return std::exp(a);
    case Op::expm1:
      return std::expm1(a);
    case Op::log:
      return std::log(a);
    case Op::log1p:
      return std::log1p(a);
    case Op::sin:
      return std::sin(a);
    case Op::cos:
      return std::cos(a);
    case Op::tanh:
      return std::tanh(a);
    case Op::sigmoid:
      return 1 / (1 + std::exp(-a));
    case Op::erf:
      return std::erf(a);
    case Op::softplus:
      return std::fmax(a, 0) + std::log1p(std::exp(-std::fabs(a)));
    case Op::relu:
      return a < 0 ? 0 : a;
    case Op::floor:
      return std::floor(a);
    case Op::ceil:
      return std::ceil(a);
    case Op::round:
      return std::nearbyint(a);
    case Op::logical_not:
      return a == 0;
    case Op::isnan:
      return std::isnan(a);
    case Op::add:
      return a + b;
    case Op::sub:
      return a - b;
    case Op::mul:
      return a * b;
    case Op::div:
      return a / b;
    case Op::pow:
      return std::pow(a, b);
    case Op::maximum:
      return std::isnan(a) || std::isnan(b) ? a + b : std::fmax(a, b);
    case Op::minimum:
      return std::isnan(a) || std::isnan(b) ? a + b : std::fmin(a, b);
    case Op::eq:
      return a == b;
    case Op::ne:
      return a != b;
    case Op::lt:
      return a < b;
    case Op::le:
      return a <= b;
    case Op::gt:
      return a > b;
    case Op::ge:
      return a >= b;
    case Op::logical_and:
      return a != 0 && b != 0;
    case Op::logical_or:
      return a != 0 || b != 0;
    case Op::select:
      return a != 0 ? b : c;
    case Op::fma:
      return std::fma(a, b, c);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool commutes(Op op) { return op == Op::add || op == Op::mul || op == Op::eq || op == Op::ne; }

}  // namespace

Expr::Expr(double value) : id_(building().constant(value).id()) {}

Expr operator-(Expr x) { return unary(Op::neg, x); }
Expr operator+(Expr a, Expr b) { return binary(Op::add, a, b); }
Expr operator-(Expr a, Expr b) { return binary(Op::sub, a, b); }
Expr operator*(Expr a, Expr b) { return binary(Op::mul, a, b); }
Expr operator/(Expr a, Expr b) { return binary(Op::div, a, b); }
Expr operator==(Expr a, Expr b) { return binary(Op::eq, a, b); }
Expr operator!=(Expr a, Expr b) { return binary(Op::ne, a, b); }
Expr operator<(Expr a, Expr b) { return binary(Op::lt, a, b); }
Expr operator<=(Expr a, Expr b) { return binary(Op::le, a, b); }
Expr operator>(Expr a, Expr b) { return binary(Op::gt, a, b); }
Expr operator>=(Expr a, Expr b) { return binary(Op::ge, a, b); }
Expr operator&&(Expr a, Expr b) { return binary(Op::logical_and, a, b); }
Expr operator||(Expr a, Expr b) { return binary(Op::logical_or, a, b); }
Expr operator!(Expr x) { return unary(Op::logical_not, x); }
Expr abs(Expr x) { return unary(Op::abs, x); }
Expr sign(Expr x) { return where(isnan(x), 0.0, unary(Op::sign, x)); }
Expr square(Expr x) { return unary(Op::square, x); }
Expr sqrt(Expr x) { return unary(Op::sqrt, x); }
Expr rsqrt(Expr x) { return unary(Op::rsqrt, x); }
Expr reciprocal(Expr x) { return unary(Op::reciprocal, x); }
Expr exp(Expr x) { return unary(Op::exp, x); }
Expr expm1(Expr x) { return unary(Op::expm1, x); }
Expr log(Expr x) { return unary(Op::log, x); }
Expr log1p(Expr x) { return unary(Op::log1p, x); }
Expr sin(Expr x) { return unary(Op::sin, x); }
Expr cos(Expr x) { return unary(Op::cos, x); }
Expr tanh(Expr x) { return unary(Op::tanh, x); }
Expr sigmoid(Expr x) { return unary(Op::sigmoid, x); }
Expr erf(Expr x) { return unary(Op::erf, x); }
Expr softplus(Expr x) { return unary(Op::softplus, x); }
Expr relu(Expr x) { return unary(Op::relu, x); }
Expr floor(Expr x) { return unary(Op::floor, x); }
Expr ceil(Expr x) { return unary(Op::ceil, x); }
Expr round(Expr x) { return unary(Op::round, x); }
Expr isnan(Expr x) { return unary(Op::isnan, x); }
Expr pow(Expr a, Expr b) { return binary(Op::pow, a, b); }
Expr maximum(Expr a, Expr b) { return binary(Op::maximum, a, b); }
Expr minimum(Expr a, Expr b) { return binary(Op::minimum, a, b); }
Expr where(Expr condition, Expr a, Expr b) { return building().make(Op::select, condition, a, b); }

ExprGraph::Building::Building(ExprGraph& graph) : outer_(std::exchange(current, &graph)) {}
ExprGraph::Building::~Building() { current = outer_; }

Expr ExprGraph::leaf(Op op, int index) {
  Instruction instruction{op};
  instruction.index = static_cast<uint16_t>(index);
  return intern(instruction);
}

Expr ExprGraph::constant(double value) {
  Instruction instruction{Op::constant};
  instruction.value = value;
  return intern(instruction);
}

Expr ExprGraph::intern(const Instruction& instruction) {
  const uint64_t key =
      static_cast<uint64_t>(instruction.op) * 0x9e3779b97f4a7c15ull ^
      (static_cast<uint64_t>(instruction.operands[0]) << 48 | static_cast<uint64_t>(instruction.operands[1]) << 32 |
       static_cast<uint64_t>(instruction.operands[2]) << 16 | instruction.index) ^
      std::bit_cast<uint64_t>(instruction.value);
  const auto [begin, end] = index_.equal_range(key);
  for (auto found = begin; found != end; ++found) {
    if (nodes_[static_cast<size_t>(found->second)] == instruction) return Expr(ExprId{found->second});
  }
  if (nodes_.size() > UINT16_MAX) throw ValueError("expression: more than 65535 nodes");
  const int id = static_cast<int>(nodes_.size());
  nodes_.push_back(instruction);
  index_.emplace(key, id);
  return Expr(ExprId{id});
}

bool ExprGraph::is_constant(Expr x, double value) const { return node(x).op == Op::constant && node(x).value == value; }

Expr ExprGraph::make(Op op, Expr a, Expr b, Expr c) {
  const int operands = arity(op);
  const Expr given[] = {a, b, c};
  bool constants = true;
  for (int i = 0; i < operands; ++i) constants = constants && node(given[i]).op == Op::constant;
  if (constants) return constant(evaluate(op, node(a).value, node(b).value, node(c).value));

  switch (op) {
    case Op::neg:
      if (node(a).op == Op::neg) return Expr(ExprId{node(a).operands[0]});
      break;
    case Op::add:
      if (is_constant(a, 0)) return b;
      if (is_constant(b, 0)) return a;
      if (node(b).op == Op::neg) return make(Op::sub, a, Expr(ExprId{node(b).operands[0]}));
      if (node(a).op == Op::neg) return make(Op::sub, b, Expr(ExprId{node(a).operands[0]}));
      break;
    case Op::sub:
      if (is_constant(b, 0)) return a;
      if (is_constant(a, 0)) return make(Op::neg, b);
      if (node(b).op == Op::neg) return make(Op::add, a, Expr(ExprId{node(b).operands[0]}));
      break;
    case Op::mul:
      if (is_constant(a, 1)) return b;
      if (is_constant(b, 1)) return a;
      if (is_constant(a, 0) || is_constant(b, 0)) return constant(0);
      if (is_constant(a, -1)) return make(Op::neg, b);
      if (is_constant(b, -1)) return make(Op::neg, a);
      if (a.id() == b.id()) return make(Op::square, a);
      break;
    case Op::div:
      if (is_constant(b, 1)) return a;
      if (is_constant(a, 1)) return make(Op::reciprocal, b);
      break;
    case Op::select:
      if (node(a).op == Op::constant) return node(a).value != 0 ? b : c;
      if (b.id() == c.id()) return b;
      break;
    default:
      break;
  }

  Instruction instruction{op};
  for (int i = 0; i < operands; ++i) instruction.operands[i] = static_cast<uint16_t>(given[i].id());
  if (commutes(op) && instruction.operands[0] > instruction.operands[1]) {
    std::swap(instruction.operands[0], instruction.operands[1]);
  }
  return intern(instruction);
}

void ElementwiseFunction::compile() {
  const std::vector<Instruction>& nodes = graph.nodes();
  std::vector<int> uses(nodes.size(), 0);
  for (Expr output : outputs) ++uses[static_cast<size_t>(output.id())];
  for (size_t i = nodes.size(); i-- > 0;) {
    if (uses[i] == 0) continue;
    for (int k = 0; k < arity(nodes[i].op); ++k) ++uses[nodes[i].operands[k]];
  }

  // A product that only a sum uses becomes part of it.
  std::vector<Instruction> joined = nodes;
  for (size_t i = 0; i < joined.size(); ++i) {
    if (uses[i] == 0 || joined[i].op != Op::add) continue;
    for (int k = 0; k < 2; ++k) {
      const uint16_t product = joined[i].operands[k];
      if (joined[product].op != Op::mul || uses[product] != 1) continue;
      const uint16_t addend = joined[i].operands[1 - k];
      uses[product] = 0;
      joined[i] = Instruction{Op::fma, {joined[product].operands[0], joined[product].operands[1], addend}};
      break;
    }
  }

  std::vector<uint16_t> position(joined.size(), 0);
  const auto emit = [&](size_t i) {
    Instruction instruction = joined[i];
    for (int k = 0; k < arity(instruction.op); ++k) instruction.operands[k] = position[instruction.operands[k]];
    position[i] = static_cast<uint16_t>(program.code.size());
    program.code.push_back(instruction);
  };
  program = Program();
  program.name = name;
  for (size_t i = 0; i < joined.size(); ++i) {
    if (uses[i] > 0 && arity(joined[i].op) == 0) emit(i);
  }
  for (size_t i = 0; i < joined.size(); ++i) {
    if (uses[i] > 0 && arity(joined[i].op) > 0) emit(i);
  }
  for (Expr output : outputs) program.outputs.push_back({position[static_cast<size_t>(output.id())]});
  program.inputs = inputs;
  program.scalars = scalars;
}

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
    case Op::pow:
      // 0 where the exponent is 0, and 0 for the exponent of a base 0, where the formulas would give 0 * inf. They are
      // computed all the same, and differentiated: of another exponent then.
      return {{where(x[1] == 0.0, 0.0, g * (x[1] * pow(x[0], where(x[1] == 0.0, 1.0, x[1]) - 1.0))),
               where(x[0] == 0.0 && x[1] >= 0.0, 0.0, g * (y * log(x[0]))), zero}};
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
    const Instruction& node = nodes[i];
    if (node.op == Op::input) {
      moved[i] = kept.input(static_cast<int>(inputs.size()));
      inputs.push_back(derivative.inputs[node.index]);
    } else if (node.op == Op::scalar) {
      moved[i] = kept.scalar(node.index);
    } else if (node.op == Op::constant) {
      moved[i] = kept.constant(node.value);
    } else {
      moved[i] = kept.make(node.op, moved[node.operands[0]], moved[node.operands[1]], moved[node.operands[2]]);
    }
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
    if (node.op == Op::input) {
      value[i] = graph.input(node.index);
      active[i] = wanted >> node.index & 1;
    } else if (node.op == Op::scalar) {
      value[i] = graph.scalar(node.index);
    } else if (node.op == Op::constant) {
      value[i] = graph.constant(node.value);
    } else {
      value[i] = graph.make(node.op, value[node.operands[0]], value[node.operands[1]], value[node.operands[2]]);
      for (int k = 0; k < arity(node.op); ++k) active[i] = active[i] || active[node.operands[k]];
    }
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
    if (!active[i] || operands == 0) continue;
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
