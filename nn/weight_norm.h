#pragma once

#include "fovea/nn/module.h"

// Weights that are made of other parameters, for the functions that layers call: linear(x, norm.forward(), bias).
namespace fovea::nn {

/// g v / |v| of each row, so that lengths and directions of the rows are trained apart (Salimans and Kingma 2016).
///   weight_v  [n, ...], the given weight
///   weight_g  [n, 1, ...], the lengths of its rows: forward() begins as the weight itself
class WeightNorm : public Module {
 public:
  /// Throws ShapeError where the weight has no row, DTypeError where it is not floating.
  explicit WeightNorm(const Tensor& weight, Caller caller = {});
  Tensor forward(Caller caller = {}) const;
  std::string description() const override;

  Tensor weight_g;
  Tensor weight_v;
};

struct SpectralNormOptions {
  int64_t n_power_iterations = 1;
  double eps = 1e-12;
};

/// W / s for the greatest singular value s = u^T W v of W as a matrix [n, rest] (Miyato et al. 2018). Each forward pass in
/// training mode brings u and v nearer to its singular vectors, as constants: v = W^T u / |W^T u|, u = W v / |W v|.
///   weight_orig          [n, ...], the given weight
///   weight_u, weight_v   buffers [n] and [rest]
class SpectralNorm : public Module {
 public:
  /// Throws ShapeError where the weight is empty or a vector, DTypeError where it is not floating, ValueError.
  explicit SpectralNorm(const Tensor& weight, SpectralNormOptions options = {}, Caller caller = {});
  Tensor forward(Caller caller = {}) const;
  std::string description() const override;

  Tensor weight_orig;
  Tensor weight_u;
  Tensor weight_v;

 private:
  SpectralNormOptions options_;
};

}  // namespace fovea::nn
