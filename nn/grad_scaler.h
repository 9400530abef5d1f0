#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "fovea/nn/optimizer.h"

namespace fovea::nn {

struct GradScalerOptions {
  double init_scale = 65536;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  int64_t growth_interval = 2000;  // steps without an overflow, after which the scale grows
};

/// Loss scaling for f16 (Micikevicius et al. 2018): gradients of a loss that is multiplied by the scale do not vanish in
/// f16's small range; where they overflow, the step is left out and the scale falls. PyTorch's GradScaler.
///
///     scaler.scale(loss).backward();
///     scaler.unscale(parameters);
///     clip_grad_norm_(parameters, 1.0);
///     scaler.step(optimizer);
///
/// A scaler serves one optimizer.
class GradScaler {
 public:
  /// Throws ValueError where an option is out of its range.
  explicit GradScaler(GradScalerOptions options = {}, Caller caller = {});

  Tensor scale(const Tensor& loss) const;
  /// Divides the gradients by the scale and notes whether all are finite, which makes a device wait. Throws ValueError
  /// where a parameter comes a second time before step().
  void unscale(const std::vector<Tensor>& parameters, Caller caller = {});
  /// Unscales those of the optimizer's gradients that are not, lets it make its step unless one was not finite, then
  /// adapts the scale. Returns whether it made one.
  bool step(Optimizer& optimizer, Caller caller = {});

  double scale() const { return scale_; }
  /// Steps since the scale last changed.
  int64_t clean_steps() const { return clean_steps_; }
  /// Goes on where another one stood. Throws ValueError.
  void restore(double scale, int64_t clean_steps, Caller caller = {});

 private:
  GradScalerOptions options_;
  double scale_;
  int64_t clean_steps_ = 0;
  // Since the last step:
  std::unordered_set<const TensorImpl*> unscaled_;
  bool finite_ = true;
};

}  // namespace fovea::nn
