#pragma once

#include "fovea/autograd/elementwise.h"
#include "fovea/tensor/tensor.h"

// Elementwise functions: each runs in one pass over memory, broadcasts, and is differentiable to any order. Operands
// are tensors or numbers (not both numbers). Errors: ShapeError, DTypeError, DeviceError, naming the operation and the
// caller.
namespace fovea {

Tensor operator-(Operand x);
Tensor operator+(Operand a, Operand b);
Tensor operator-(Operand a, Operand b);
Tensor operator*(Operand a, Operand b);
Tensor operator/(Operand a, Operand b);
/// remainder.
Tensor operator%(Operand a, Operand b);
Tensor operator<(Operand a, Operand b);
Tensor operator<=(Operand a, Operand b);
Tensor operator>(Operand a, Operand b);
Tensor operator>=(Operand a, Operand b);

Tensor neg(Operand x);
Tensor add(Operand a, Operand b);
Tensor sub(Operand a, Operand b);
Tensor mul(Operand a, Operand b);
Tensor div(Operand a, Operand b);
/// a / b rounded down, of whole numbers too: ValueError where those are divided by the number 0; by a 0 within a tensor
/// they give 0 or -1.
Tensor floor_divide(Operand a, Operand b);
/// a - b floor_divide(a, b), with the digits that the quotient of floating numbers lacks: from 0 to before b, with the sign of
/// b, while |a / b| is below 2^70 (f32) or 2^150 (f64); the exact one where product and sum are rounded once.
Tensor remainder(Operand a, Operand b);
/// a^b; the gradient is 0 where the exponent is 0.
Tensor pow(Operand a, Operand b);
/// The angle of (x, y) from the first axis, -pi to pi; the gradient is 0 where both are 0.
Tensor atan2(Operand y, Operand x);
/// The greater; a tie shares the gradient in halves, a NaN wins.
Tensor maximum(Operand a, Operand b);
Tensor minimum(Operand a, Operand b);
/// log(e^a + e^b) without overflow, sums of probabilities whose logarithms are known.
Tensor logaddexp(Operand a, Operand b);

// Comparisons and logic give bool tensors.
Tensor eq(Operand a, Operand b);
Tensor ne(Operand a, Operand b);
Tensor lt(Operand a, Operand b);
Tensor le(Operand a, Operand b);
Tensor gt(Operand a, Operand b);
Tensor ge(Operand a, Operand b);
Tensor logical_and(Operand a, Operand b);
Tensor logical_or(Operand a, Operand b);
Tensor logical_not(Operand x);
Tensor isnan(Operand x);
/// Neither infinite nor NaN: all whole numbers.
Tensor isfinite(Operand x);
Tensor isinf(Operand x);

/// a where `condition` (a bool tensor) holds, else b.
Tensor where(Operand condition, Operand a, Operand b);
/// x with `value` where `mask` (bool, broadcast to x) holds.
Tensor masked_fill(Operand x, Operand mask, double value);

Tensor abs(Operand x);
/// -1, 0 or 1; of NaN 0.
Tensor sign(Operand x);
Tensor square(Operand x);
Tensor sqrt(Operand x);
Tensor rsqrt(Operand x);
Tensor reciprocal(Operand x);
Tensor exp(Operand x);
Tensor expm1(Operand x);
Tensor log(Operand x);
Tensor log1p(Operand x);
Tensor sin(Operand x);
Tensor cos(Operand x);
Tensor erf(Operand x);
Tensor floor(Operand x);
Tensor ceil(Operand x);
/// To the nearest integer, halves to even.
Tensor round(Operand x);
/// min(max(x, low), high); the gradient is 1 between low and high and 0 from the bounds on.
Tensor clamp(Operand x, double low, double high);

// Activations.

Tensor tanh(Operand x);
Tensor sigmoid(Operand x);
Tensor relu(Operand x);
/// x where x > 0, else slope x.
Tensor leaky_relu(Operand x, double slope = 0.01);
/// x where x > 0, else alpha (e^x - 1) (Clevert et al. 2016).
Tensor elu(Operand x, double alpha = 1);
/// x Phi(x) with the normal distribution's Phi, by erf (Hendrycks and Gimpel 2016).
Tensor gelu(Operand x);
/// GELU's tanh approximation, from the same paper.
Tensor gelu_tanh(Operand x);
/// x sigmoid(x) (Elfwing et al. 2017).
Tensor silu(Operand x);
/// log(1 + e^x).
Tensor softplus(Operand x);
/// x tanh(softplus(x)) (Misra 2019).
Tensor mish(Operand x);
/// min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).
Tensor hardsigmoid(Operand x);

}  // namespace fovea
