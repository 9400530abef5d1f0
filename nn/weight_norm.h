#pragma once

#include <optional>

#include "fovea/nn/module.h"

// Weights that are made of other parameters, for the functions that layers call: linear(x, norm.forward(), bias).
namespace fovea::nn {

struct WeightNormOptions {
  /// The axis along which the rows stand: 0 for a Linear's or a convolution's outputs, 1 for those of a transposed
  /// convolution; none: the weight is one row. -1 is the last axis (for PyTorch it is none).
  std::optional<int> dim = 0;
};

/// g v / |v| of each row, so that lengths and directions of the rows are trained apart (Salimans and Kingma 2016).
///   weight_v  [..., n, ...], the given weight
///   weight_g  [1, ..., n, 1, ...], the lengths of its rows, a scalar where it is one: forward() begins as the weight
class WeightNorm : public Module {
 public:
  /// Throws IndexError where the weight has no such axis, ShapeError for a scalar, DTypeError where it is not floating.
  explicit WeightNorm(const Tensor& weight, WeightNormOptions options = {}, Caller caller = {});
  Tensor forward(Caller caller = {}) const;
  std::string description() const override;

  Tensor weight_g;
  Tensor weight_v;

 private:
  Tensor lengths() const;

  std::optional<int> dim_;  // from 0
};

struct SpectralNormOptions {
  int64_t n_power_iterations = 1;
  double eps = 1e-12;
  int dim = 0;  // the axis of n; 1 for the outputs of a transposed convolution
};

/// W / s for the greatest singular value s = u^T W v of W as a matrix [n, rest] (Miyato et al. 2018). Each forward pass in
/// training mode brings u and v nearer to its singular vectors, as constants: v = W^T u / |W^T u|, u = W v / |W v|.
///   weight_orig          [..., n, ...], the given weight; rest are its other axes in their order
///   weight_u, weight_v   buffers [n] and [rest]
class SpectralNorm : public Module {
 public:
  /// Throws ShapeError where the weight is empty or a vector, IndexError where it lacks the axis, DTypeError where it is not
  /// floating, ValueError.
  explicit SpectralNorm(const Tensor& weight, SpectralNormOptions options = {}, Caller caller = {});
  Tensor forward(Caller caller = {}) const;
  std::string description() const override;

  Tensor weight_orig;
  Tensor weight_u;
  Tensor weight_v;

 private:
  Tensor matrix() const;

  SpectralNormOptions options_;
};

}  // namespace fovea::nn
