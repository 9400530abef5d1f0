#pragma once

#include "fovea/nn/linear.h"
#include "fovea/nn/module.h"

// Activations with parameters or halves; the others are the functions of fovea/autograd/pointwise.h.
namespace fovea::nn {

/// The first half of an axis times sigmoid of the second (Dauphin et al. 2017): [..., 2 n, ...] -> [..., n, ...].
Tensor glu(const Tensor& x, int axis = -1, Caller caller = {});

/// glu() as a module.
class GLU : public Module {
 public:
  explicit GLU(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int axis() const { return axis_; }

 private:
  int axis_;
};

/// x where x > 0, else weight x, with a learned slope (He et al. 2015).
///   x      [batch, channels, ...] or any shape with one slope for all
///   weight [channels] or [1], 0.25
class PReLU : public Module {
 public:
  explicit PReLU(int64_t channels = 1, double slope = 0.25, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  Tensor weight;
};

/// down(silu(gate(x)) * up(x)) (Shazeer 2020).
///   x, y [..., dim]; gate, up Linear(dim, hidden), down Linear(hidden, dim), without biases by default
class SwiGLU : public Module {
 public:
  SwiGLU(int64_t dim, int64_t hidden, LinearOptions options = {.bias = false}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;

  Linear gate, up, down;
};

}  // namespace fovea::nn
