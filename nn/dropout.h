#pragma once

#include "fovea/nn/module.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

/// x / (1 - p) where a random number is at least p, else 0 (Srivastava et al. 2014); x itself where p is 0. Throws
/// ValueError unless 0 <= p <= 1.
Tensor dropout(const Tensor& x, double p, Generator& generator = default_generator(), Caller caller = {});

/// dropout() in training mode, else x itself.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  double p() const { return p_; }

 private:
  double p_;
};

}  // namespace fovea::nn
