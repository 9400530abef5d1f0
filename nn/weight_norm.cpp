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

/// Every axis but the first.
Axes within_rows(const Tensor& x) {
  Axes axes;
  for (int axis = 1; axis < x.rank(); ++axis) axes.list.push_back(axis);
  return axes;
}

Tensor lengths(const Tensor& x) { return x.rank() == 1 ? abs(x) : norm(x, within_rows(x), true); }

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

WeightNorm::WeightNorm(const Tensor& weight, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating("WeightNorm", weight, caller);
  if (weight.rank() == 0) raise<ShapeError>(caller, "WeightNorm: a scalar has no rows");
  weight_v = weight.detach().clone();
  weight_g = lengths(weight_v);
  add("weight_g", weight_g);
  add("weight_v", weight_v);
}

Tensor WeightNorm::forward(Caller caller) const {
  const Scope scope(*this, caller);
  return weight_v * (weight_g / lengths(weight_v));
}

std::string WeightNorm::description() const { return fmt::format("{}", weight_v.shape()); }

SpectralNorm::SpectralNorm(const Tensor& weight, SpectralNormOptions options, Caller caller) : options_(options) {
  const ErrorScope scope(caller);
  raw::check_floating("SpectralNorm", weight, caller);
  if (weight.rank() < 2 || weight.numel() == 0) {
    raise<ShapeError>(caller, "SpectralNorm: {} is no matrix with a singular value", weight.shape());
  }
  if (options.n_power_iterations < 1 || !(options.eps >= 0)) {
    raise<ValueError>(caller, "SpectralNorm: {} power iterations and eps {}", options.n_power_iterations, options.eps);
  }
  weight_orig = weight.detach().clone();
  const Tensor matrix = weight_orig.flatten(1, -1);
  constexpr int64_t first_steps = 15;  // from anywhere to about the greatest
  const auto [u, v] = power_iteration(matrix, randn({matrix.size(0), 1}, matrix.options()), first_steps, options.eps);
  weight_u = u.squeeze(1);
  weight_v = v.squeeze(1);
  add("weight_orig", weight_orig);
  add_buffer("weight_u", weight_u);
  add_buffer("weight_v", weight_v);
}

Tensor SpectralNorm::forward(Caller caller) const {
  const Scope scope(*this, caller);
  const Tensor matrix = weight_orig.flatten(1, -1);
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

std::string SpectralNorm::description() const { return fmt::format("{}", weight_orig.shape()); }

}  // namespace fovea::nn
