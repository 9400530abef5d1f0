#include "fovea/autograd/functional.h"

#include "fovea/autograd/backward.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::autograd {
namespace {

/// One call of a function with a stand-in for its argument, recorded.
class Call {
 public:
  Call(const char* name, const TensorFunction& function, const Tensor& given, bool create_graph, Caller caller)
      : name_(name), caller_(caller), create_graph_(create_graph && grad_enabled()) {
    raw::check_floating(name, given, caller);
    const EnableGrad on;
    if (create_graph_ && given.requires_grad()) {
      x = given.reshape(given.shape());
    } else {
      x = given.detach().set_requires_grad();
    }
    y = function(x);
    if (!y.defined()) raise<AutogradError>(caller, "{}: the function returned no tensor", name);
    if (!y.requires_grad()) {
      raise<AutogradError>(caller, "{}: the function's result {} {} was not recorded: it is no differentiable function",
                           name, y.dtype(), y.shape());
    }
  }

  /// The gradient by x of <y, seed>, or zeros; recorded where `again`.
  Tensor gradient(const Tensor& of, const Tensor& seed, bool again) const {
    const EnableGrad on;
    if (!of.requires_grad()) return zeros_like(x);
    const Tensor g = grad({of}, {x}, {seed}, {.retain_graph = true, .create_graph = again}, caller_)[0];
    return g.defined() ? g : zeros_like(x);
  }

  /// [of's shape..., x's shape...].
  Tensor rows(const Tensor& of) const {
    Shape shape = of.shape();
    if (shape.rank() + x.rank() > max_rank) {
      raise<ShapeError>(caller_, "{}: [{}, {}] has more than {} axes", name_, of.shape(), x.shape(), max_rank);
    }
    for (int64_t size : x.shape()) shape.push_back(size);
    const int64_t count = of.numel();
    if (count == 0) return zeros(shape, x.options());
    const EnableGrad on;
    std::vector<Tensor> each;
    for (int64_t i = 0; i < count; ++i) {
      const Tensor seed = slice_scatter(ones({1}, of.options()), {count}, 0, i, 1).reshape(of.shape());
      each.push_back(gradient(of, seed, create_graph_));
    }
    return given_out(stack(each).reshape(shape));
  }

  void check_like(const Tensor& v, const Tensor& other, const char* what) const {
    if (v.shape() != other.shape()) {
      raise<ShapeError>(caller_, "{}: v {} has not the shape of {}, {}", name_, v.shape(), what, other.shape());
    }
    raw::check_alike(name_, {&other, &v}, caller_);
  }

  Tensor given_out(const Tensor& result) const { return create_graph_ ? result : result.detach(); }
  bool create_graph() const { return create_graph_; }

  Tensor x, y;

 private:
  const char* name_;
  Caller caller_;
  bool create_graph_;
};

}  // namespace

ProductResult vjp(const TensorFunction& function, const Tensor& x, const Tensor& v, bool create_graph, Caller caller) {
  const Call call("vjp", function, x, create_graph, caller);
  call.check_like(v, call.y, "the function's result");
  return {call.given_out(call.y), call.given_out(call.gradient(call.y, v, call.create_graph()))};
}

ProductResult jvp(const TensorFunction& function, const Tensor& x, const Tensor& v, bool create_graph, Caller caller) {
  const Call call("jvp", function, x, create_graph, caller);
  call.check_like(v, call.x, "x");
  const Tensor u = zeros_like(call.y).set_requires_grad();
  const Tensor linear = call.gradient(call.y, u, true);
  Tensor product;
  if (linear.requires_grad()) {
    const EnableGrad on;
    product = grad({linear}, {u}, {v}, {.create_graph = call.create_graph()}, caller)[0];
  }
  if (!product.defined()) product = zeros_like(call.y);
  return {call.given_out(call.y), call.given_out(product)};
}

Tensor jacobian(const TensorFunction& function, const Tensor& x, bool create_graph, Caller caller) {
  const Call call("jacobian", function, x, create_graph, caller);
  return call.rows(call.y);
}

Tensor hessian(const TensorFunction& function, const Tensor& x, bool create_graph, Caller caller) {
  const Call call("hessian", function, x, create_graph, caller);
  if (call.y.numel() != 1) {
    raise<ShapeError>(caller, "hessian: the function's result {} has not one element", call.y.shape());
  }
  return call.rows(call.gradient(call.y, ones_like(call.y), true));
}

}  // namespace fovea::autograd
