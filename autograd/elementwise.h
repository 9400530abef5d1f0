#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "fovea/tensor/expr.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

/// An argument of an elementwise function: a tensor or a number, and where in the source it was passed.
struct Operand {
  Operand(const Tensor& x, Caller where = {}) : tensor(&x), caller(where) {}
  Operand(double value, Caller where = {}) : number(value), caller(where) {}
  const Tensor* tensor = nullptr;
  double number = 0;
  Caller caller;
};

namespace detail {

template <class F>
struct LambdaParameters;
template <class C, class R, class... P>
struct LambdaParameters<R (C::*)(P...) const> {
  static_assert(((std::is_same_v<std::decay_t<P>, Expr> || std::is_same_v<std::decay_t<P>, Scalar>)&&...),
                "an elementwise function takes Expr (tensors or numbers) and Scalar (numbers) alone");
  static constexpr size_t count = sizeof...(P);
  static constexpr std::array<bool, count> scalar{std::is_same_v<std::decay_t<P>, Scalar>...};

  template <class F, size_t... I>
  static R call(F& f, const std::vector<Expr>& arguments, std::index_sequence<I...>) {
    return f(std::decay_t<P>(ExprId{arguments[I].id()})...);
  }
};

}  // namespace detail

/// Functions of Expr and Scalar whose parameters can be counted.
template <class F>
concept TypedLambda = requires {
  &F::operator();
};

class ElementwiseKernel;

/// A function applied element by element, written as an expression:
///
///     const Elementwise silu{"silu", [](Expr x) { return x * sigmoid(x); }};
///     Tensor y = silu(x);
///
/// It runs on every device in one pass over memory, broadcasts its inputs, and is differentiable to any order: its
/// derivative is derived from the expression. Inputs are `Expr` parameters (tensors, or numbers); `Scalar` parameters
/// take numbers that may change from call to call. A lambda that returns `std::vector<Expr>` has several outputs (use
/// `all`). Floating inputs must share one dtype; bool inputs read as 0 and 1. A comparison's result is a bool tensor.
/// Make it once (a static, a member): each object compiles its own programs.
class Elementwise {
 public:
  template <class F>
  Elementwise(const char* name, F f) {
    static_assert(
        TypedLambda<F>,
        "an elementwise function is a lambda whose parameters have their types: [](Expr x, Scalar s) { ... }, "
        "not auto, and no pointer to a function");
    if constexpr (TypedLambda<F>) {
      using P = detail::LambdaParameters<decltype(&F::operator())>;
      define(name, std::span<const bool>(P::scalar), [&](const std::vector<Expr>& arguments) {
        auto made = P::call(f, arguments, std::make_index_sequence<P::count>{});
        if constexpr (std::is_same_v<decltype(made), std::vector<Expr>>) {
          return made;
        } else {
          static_assert(std::is_convertible_v<decltype(made), Expr>,
                        "an elementwise function returns an Expr, or a std::vector<Expr>");
          return std::vector<Expr>{made};
        }
      });
    }
  }

  /// The only output. Throws ShapeError, DTypeError, DeviceError naming the arguments and the caller, ValueError where
  /// there are several outputs.
  Tensor operator()(Operand a) const { return one({&a, 1}); }
  Tensor operator()(Operand a, Operand b) const { return one(std::array{a, b}); }
  Tensor operator()(Operand a, Operand b, Operand c) const { return one(std::array{a, b, c}); }
  Tensor operator()(Operand a, Operand b, Operand c, Operand d) const { return one(std::array{a, b, c, d}); }

  /// Every output; any number of arguments.
  std::vector<Tensor> all(std::initializer_list<Operand> arguments) const {
    return many({arguments.begin(), arguments.size()});
  }

  /// The only output summed over axes, in one pass: sum(f(a, b, ...), axes, keepdim).
  Tensor sum(const Axes& axes, bool keepdim, std::initializer_list<Operand> arguments) const;

  /// Writes the outputs into existing tensors (which may be inputs too: an update in place), outside the graph. All
  /// have one shape and dtype.
  void into(std::initializer_list<const Tensor*> outputs, std::initializer_list<Operand> arguments) const;

  /// The expression and its parameters, for who writes it down for others.
  const ElementwiseKernel& kernel() const { return *kernel_; }

 private:
  void define(const char* name, std::span<const bool> scalar_parameters,
              const std::function<std::vector<Expr>(const std::vector<Expr>&)>& body);
  Tensor one(std::span<const Operand> arguments) const;
  std::vector<Tensor> many(std::span<const Operand> arguments) const;

  std::shared_ptr<const ElementwiseKernel> kernel_;
};

}  // namespace fovea
