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

}  // namespace fovea::nn
