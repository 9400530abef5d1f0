#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "fovea/backends/program.h"

namespace fovea {

/// The position of a node in its graph; a type of its own, so that `Expr(1)` can only be the number.
enum class ExprId : int {};

/// A value in an elementwise expression. Expressions are written with ordinary operators and the functions below,
/// inside the lambda of an `Elementwise`; numbers mix freely. Equal subexpressions are shared and constants folded as
/// they are written; x * 0 is taken as 0.
class Expr {
 public:
  /// A constant. Throws ValueError outside an Elementwise's lambda.
  Expr(double value);
  explicit Expr(ExprId id) : id_(static_cast<int>(id)) {}
  explicit operator bool() const = delete;  // `?:`, `if`: it has no value yet; write where(condition, a, b)
  int id() const { return id_; }

 private:
  int id_;
};

/// A number that may change from call to call, such as a slope or a learning rate; carries no gradient.
class Scalar : public Expr {
 public:
  explicit Scalar(ExprId id) : Expr(id) {}
};

Expr operator-(Expr x);
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr operator&&(Expr a, Expr b);
Expr operator||(Expr a, Expr b);
Expr operator!(Expr x);
Expr abs(Expr x);
/// -1, 0 or 1; of NaN 0.
Expr sign(Expr x);
Expr square(Expr x);
Expr sqrt(Expr x);
Expr rsqrt(Expr x);
Expr reciprocal(Expr x);
Expr exp(Expr x);
Expr expm1(Expr x);
Expr log(Expr x);
Expr log1p(Expr x);
Expr sin(Expr x);
Expr cos(Expr x);
Expr tanh(Expr x);
Expr sigmoid(Expr x);
Expr erf(Expr x);
Expr softplus(Expr x);
Expr relu(Expr x);
Expr floor(Expr x);
Expr ceil(Expr x);
Expr round(Expr x);
Expr isnan(Expr x);
Expr pow(Expr a, Expr b);
Expr atan2(Expr y, Expr x);
Expr maximum(Expr a, Expr b);
Expr minimum(Expr a, Expr b);
/// log(e^a + e^b) without overflow; of two infinities of one sign that one.
Expr logaddexp(Expr a, Expr b);
/// condition != 0 ? a : b, without a gradient for the branch not taken.
Expr where(Expr condition, Expr a, Expr b);

/// The nodes of one elementwise function: instructions in order, each operand before its user, equal ones shared.
class ExprGraph {
 public:
  Expr input(int index) { return leaf(Op::input, index); }
  Expr scalar(int index) { return leaf(Op::scalar, index); }
  Expr constant(double value);
  /// A node, simplified where an identity allows.
  Expr make(Op op, Expr a, Expr b = Expr(ExprId{}), Expr c = Expr(ExprId{}));

  /// A node of another graph, whose operands stand here as `moved` says by their place there; an input becomes what
  /// `input` makes of its index.
  template <class Input>
  Expr copy(const Instruction& node, std::span<const Expr> moved, const Input& input) {
    switch (node.op) {
      case Op::input:
        return input(node.index);
      case Op::scalar:
        return scalar(node.index);
      case Op::constant:
        return constant(node.value);
      default:
        return make(node.op, moved[node.operands[0]], moved[node.operands[1]], moved[node.operands[2]]);
    }
  }

  const std::vector<Instruction>& nodes() const { return nodes_; }
  const Instruction& node(Expr x) const { return nodes_[static_cast<size_t>(x.id())]; }

  /// Makes this graph the one that Expr's operators write to, for as long as the object lives.
  class Building {
   public:
    explicit Building(ExprGraph& graph);
    ~Building();
    Building(const Building&) = delete;
    Building& operator=(const Building&) = delete;

   private:
    ExprGraph* outer_;
  };

 private:
  Expr leaf(Op op, int index);
  Expr intern(const Instruction& instruction);
  bool is_constant(Expr x, double value) const;

  std::vector<Instruction> nodes_;
  std::unordered_multimap<uint64_t, int> index_;
};

/// An elementwise function of several inputs, scalars and outputs, and its compiled form.
struct ElementwiseFunction {
  std::string name;
  ExprGraph graph;
  std::vector<Expr> outputs;
  int inputs = 0;
  int scalars = 0;
  Program program;

  bool predicate(size_t output) const { return is_predicate(graph.node(outputs[output]).op); }
  /// Fills `program` from graph and outputs: only what the outputs need, products and sums joined to fma.
  void compile();
};

}  // namespace fovea
