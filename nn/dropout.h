#pragma once

#include "fovea/nn/module.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

/// x / (1 - p) where a random number is at least p, else 0 (Srivastava et al. 2014); x itself where p is 0. Throws
/// ValueError unless 0 <= p <= 1.
Tensor dropout(const Tensor& x, double p, Generator& generator = default_generator(), Caller caller = {});
/// dropout with one random number a channel, so that neighbours cannot stand in for what is dropped (Tompson et al.
/// 2015): x [batch, channels, length], the batch axis may be absent.
Tensor dropout1d(const Tensor& x, double p, Generator& generator = default_generator(), Caller caller = {});
/// dropout1d of images [batch, channels, height, width].
Tensor dropout2d(const Tensor& x, double p, Generator& generator = default_generator(), Caller caller = {});
/// dropout1d of volumes [batch, channels, depth, height, width].
Tensor dropout3d(const Tensor& x, double p, Generator& generator = default_generator(), Caller caller = {});

/// One of these functions in training mode, else x itself.
class DropoutLayer : public Module {
 public:
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;

  double p() const { return p_; }

 protected:
  using Function = Tensor (*)(const Tensor&, double, Generator&, Caller);
  DropoutLayer(Function function, double p, Caller caller);

 private:
  Function function_;
  double p_;
};

/// dropout() in training mode, else x itself.
class Dropout : public DropoutLayer {
 public:
  explicit Dropout(double p = 0.5, Caller caller = {}) : DropoutLayer(dropout, p, caller) {}
};

/// dropout1d() in training mode, else x itself.
class Dropout1d : public DropoutLayer {
 public:
  explicit Dropout1d(double p = 0.5, Caller caller = {}) : DropoutLayer(dropout1d, p, caller) {}
};

/// dropout2d() in training mode, else x itself.
class Dropout2d : public DropoutLayer {
 public:
  explicit Dropout2d(double p = 0.5, Caller caller = {}) : DropoutLayer(dropout2d, p, caller) {}
};

/// dropout3d() in training mode, else x itself.
class Dropout3d : public DropoutLayer {
 public:
  explicit Dropout3d(double p = 0.5, Caller caller = {}) : DropoutLayer(dropout3d, p, caller) {}
};

}  // namespace fovea::nn
