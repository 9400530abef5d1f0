#include "fovea/tensor/expr.h"

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "fovea/backends/error.h"

namespace fovea {
namespace {

thread_local ExprGraph* current = nullptr;

ExprGraph& building() {
  if (!current) raise_here<ValueError>("expression: an Expr is used outside the lambda of an Elementwise");
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
    case Op::atan2:
      return std::atan2(a, b);
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
Expr atan2(Expr y, Expr x) { return binary(Op::atan2, y, x); }
Expr maximum(Expr a, Expr b) { return binary(Op::maximum, a, b); }
Expr minimum(Expr a, Expr b) { return binary(Op::minimum, a, b); }
Expr logaddexp(Expr a, Expr b) {
  // Chosen, not the maximum and minimum, whose derivatives share a tie: those of the sum hold there as they are.
  const Expr high = where(a > b, a, b), low = where(a > b, b, a);
  const Expr apart = where(low == -INFINITY, -INFINITY, where(high == INFINITY, -INFINITY, low - high));
  return high + softplus(apart);
}
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
  if (nodes_.size() > UINT16_MAX) raise_here<ValueError>("expression: more than 65535 nodes");
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

}  // namespace fovea
