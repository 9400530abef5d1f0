#pragma once

#include "fovea/nn/module.h"

namespace fovea::nn {

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  // with weight and bias
  bool bias = true;
};

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis (Ba et al. 2016).
///   x, y         [..., dim]
///   weight, bias [dim], ones and zeros
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t dim, LayerNormOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int64_t dim() const { return dim_; }
  const LayerNormOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;

 private:
  int64_t dim_;
  LayerNormOptions options_;
};

struct RMSNormOptions {
  double eps = 1e-6;
  bool affine = true;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019).
///   x, y   [..., dim]
///   weight [dim], ones
class RMSNorm : public Module {
 public:
  explicit RMSNorm(int64_t dim, RMSNormOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const RMSNormOptions& options() const { return options_; }

  Tensor weight;

 private:
  int64_t dim_;
  RMSNormOptions options_;
};

}  // namespace fovea::nn
