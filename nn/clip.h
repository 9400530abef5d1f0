#pragma once

#include <vector>

#include "fovea/tensor/tensor.h"

// Gradients that are changed are written in place, all or none: ValueError where the elements of one repeat.
namespace fovea::nn {

/// Multiplies all gradients by max_norm / (norm + 1e-6) where that is below 1, with the L2 norm of all of them together
/// (Pascanu et al. 2013). Returns the norm before, a scalar that stays on the device until it is read; 0 where there is
/// no gradient. Sparse gradients take part.
Tensor clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, Caller caller = {});

/// The L2 norm of all gradients together, as clip_grad_norm_ returns it.
Tensor grad_norm(const std::vector<Tensor>& parameters, Caller caller = {});

/// Multiplies all gradients by a number.
void scale_grad_(const std::vector<Tensor>& parameters, double factor, Caller caller = {});

/// Clamps every element of every gradient to [-limit, limit].
void clip_grad_value_(const std::vector<Tensor>& parameters, double limit, Caller caller = {});

}  // namespace fovea::nn
