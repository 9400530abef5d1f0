#pragma once

#include <functional>

#include "fovea/tensor/tensor.h"

// Derivatives of functions from one tensor to one. The function is called with a stand-in for x, so that neither x nor
// any leaf gets a grad(); it is recorded also within a NoGrad. Results are outside the graph unless `create_graph` (and
// no NoGrad of the caller), where they can themselves be differentiated, by x and by what else the function uses.
// Throws DTypeError where x has no floating dtype, ShapeError, and AutogradError where the function's result was not
// recorded; what was recorded but does not depend on x has the derivative 0.
namespace fovea::autograd {

using TensorFunction = std::function<Tensor(const Tensor&)>;

struct ProductResult {
  Tensor value;    // function(x)
  Tensor product;  // a product with its Jacobian J
};
/// v J with v of the result's shape: x's shape. One forward and one backward pass.
ProductResult vjp(const TensorFunction& function, const Tensor& x, const Tensor& v, bool create_graph = false,
                  Caller caller = {});
/// J v with v of x's shape: the result's shape. Two backward passes: u J is linear in u, and its derivative is J
/// (Townsend 2017, "A new trick for calculating Jacobian vector products").
ProductResult jvp(const TensorFunction& function, const Tensor& x, const Tensor& v, bool create_graph = false,
                  Caller caller = {});
/// [result's shape..., x's shape...], a backward pass for each element of the result.
Tensor jacobian(const TensorFunction& function, const Tensor& x, bool create_graph = false, Caller caller = {});
/// [x's shape..., x's shape...] of a function whose result has one element.
Tensor hessian(const TensorFunction& function, const Tensor& x, bool create_graph = false, Caller caller = {});

}  // namespace fovea::autograd
