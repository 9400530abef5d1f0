#include "fovea/nn/weight_norm.h"

#include <utility>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

/// After `steps` steps of power iteration from u [n, 1]: the singular vectors u [n, 1] and v [rest, 1] of w [n, rest].
std::pair<Tensor, Tensor> power_iteration(const Tensor& w, Tensor u, int64_t steps, double eps) {
  Tensor v;
  for (int64_t i = 0; i < steps; ++i) {
    v = l2_normalize(matmul(w.mT(), u), 0, eps);
    u = l2_normalize(matmul(w, v), 0, eps);
  }
  return {u, v};
}

}  // namespace

WeightNorm::WeightNorm(const Tensor& weight, WeightNormOptions options, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating("WeightNorm", weight, caller);
  if (options.dim) dim_ = normalize_axis(*options.dim, weight.rank(), "WeightNorm", caller);
  if (dim_ && weight.rank() == 0) raise<ShapeError>(caller, "WeightNorm: a scalar has no rows");
  weight_v = weight.detach().clone();
  weight_g = lengths();
  add("weight_g", weight_g);
  add("weight_v", weight_v);
}

Tensor WeightNorm::lengths() const {
  if (!dim_) return norm(weight_v);
  Axes within;
  for (int axis = 0; axis < weight_v.rank(); ++axis) {
    if (axis != *dim_) within.list.push_back(axis);
  }
  return weight_v.rank() == 1 ? abs(weight_v) : norm(weight_v, within, true);
}

Tensor WeightNorm::forward(Caller caller) const {
  const Scope scope(*this, caller);
  return weight_v * (weight_g / lengths());
}

std::string WeightNorm::description() const {
  return fmt::format("{}, dim {}", weight_v.shape(), dim_ ? fmt::format("{}", *dim_) : "none");
}

SpectralNorm::SpectralNorm(const Tensor& weight, SpectralNormOptions options, Caller caller) : options_(options) {
  const ErrorScope scope(caller);
  raw::check_floating("SpectralNorm", weight, caller);
  if (weight.rank() < 2 || weight.numel() == 0) {
    raise<ShapeError>(caller, "SpectralNorm: {} is no matrix with a singular value", weight.shape());
  }
  if (options.n_power_iterations < 1 || !(options.eps >= 0)) {
    raise<ValueError>(caller, "SpectralNorm: {} power iterations and eps {}", options.n_power_iterations, options.eps);
  }
  options_.dim = normalize_axis(options.dim, weight.rank(), "SpectralNorm", caller);
  weight_orig = weight.detach().clone();
  const Tensor matrix = this->matrix();
  constexpr int64_t first_steps = 15;  // from anywhere to about the greatest
  const auto [u, v] = power_iteration(matrix, randn({matrix.size(0), 1}, matrix.options()), first_steps, options.eps);
  weight_u = u.squeeze(1);
  weight_v = v.squeeze(1);
  add("weight_orig", weight_orig);
  add_buffer("weight_u", weight_u);
  add_buffer("weight_v", weight_v);
}

/// [n, rest].
Tensor SpectralNorm::matrix() const {
  Shape order{options_.dim};
  for (int axis = 0; axis < weight_orig.rank(); ++axis) {
    if (axis != options_.dim) order.push_back(axis);
  }
  return weight_orig.permute(order).flatten(1, -1);
}

Tensor SpectralNorm::forward(Caller caller) const {
  const Scope scope(*this, caller);
  const Tensor matrix = this->matrix();
  Tensor u = weight_u.unsqueeze(1), v = weight_v.unsqueeze(1);
  if (training()) {
    const NoGrad off;
    // Tensors of their own: what the backward pass reads stays when a later forward pass moves the buffers on.
    std::tie(u, v) = power_iteration(matrix, u, options_.n_power_iterations, options_.eps);
    Tensor kept_u = weight_u, kept_v = weight_v;
    kept_u.copy_(u.squeeze(1));
    kept_v.copy_(v.squeeze(1));
  }
  return weight_orig / sum(u * matmul(matrix, v));
}

std::string SpectralNorm::description() const { return fmt::format("{}, dim {}", weight_orig.shape(), options_.dim); }

}  // namespace fovea::nn
