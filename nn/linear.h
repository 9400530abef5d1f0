#pragma once

#include "fovea/nn/module.h"

namespace fovea::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x W^T + b.
///   x      [..., in]
///   weight [out, in], uniform in +-1/sqrt(in); bias [out], the same
///   y      [..., out]
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, LinearOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  Tensor weight;
  Tensor bias;  // undefined without one
};

/// y_o = a^T W_o b + bias_o (PyTorch's Bilinear).
///   a [..., in1], b [..., in2] with the same leading sizes
///   weight [out, in1, in2], uniform in +-1/sqrt(in1); bias [out], the same
///   y [..., out]
class Bilinear : public Module {
 public:
  Bilinear(int64_t in1, int64_t in2, int64_t out, LinearOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& a, const Tensor& b, Caller caller = {}) const;
  std::string description() const override;

  Tensor weight;
  Tensor bias;
};

}  // namespace fovea::nn
