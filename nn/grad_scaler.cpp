#include "fovea/nn/grad_scaler.h"

#include <cmath>

#include "fovea/autograd/pointwise.h"
#include "fovea/nn/clip.h"

namespace fovea::nn {

GradScaler::GradScaler(GradScalerOptions options, Caller caller) : options_(options), scale_(options.init_scale) {
  if (!(options.init_scale > 0) || !std::isfinite(options.init_scale) || !(options.growth_factor >= 1) ||
      !(options.backoff_factor > 0) || !(options.backoff_factor < 1) || options.growth_interval < 1) {
    raise<ValueError>(caller, "GradScaler: init_scale {}, growth_factor {}, backoff_factor {}, growth_interval {}",
                      options.init_scale, options.growth_factor, options.backoff_factor, options.growth_interval);
  }
}

Tensor GradScaler::scale(const Tensor& loss) const { return loss * scale_; }

void GradScaler::unscale(const std::vector<Tensor>& parameters, Caller caller) {
  std::unordered_set<const TensorImpl*> unscaled = unscaled_;
  for (const Tensor& parameter : parameters) {
    if (unscaled.insert(parameter.impl()).second) continue;
    raise<ValueError>(caller, "GradScaler: unscale would divide the gradient of a parameter {} twice before step",
                      parameter.shape());
  }
  scale_grad_(parameters, 1 / scale_, caller);
  unscaled_ = std::move(unscaled);
  finite_ = std::isfinite(grad_norm(parameters, caller).item(caller)) && finite_;
}

bool GradScaler::step(Optimizer& optimizer, Caller caller) {
  std::vector<Tensor> scaled = optimizer.parameters();
  std::erase_if(scaled, [this](const Tensor& parameter) { return unscaled_.contains(parameter.impl()); });
  if (!scaled.empty()) unscale(scaled, caller);
  const bool made = finite_;
  if (made) optimizer.step(caller);
  unscaled_.clear();
  finite_ = true;
  if (made && ++clean_steps_ < options_.growth_interval) return made;
  // From a scale of 0 or infinity there would be no way back.
  const double next = scale_ * (made ? options_.growth_factor : options_.backoff_factor);
  if (std::isnormal(next)) scale_ = next;
  clean_steps_ = 0;
  return made;
}

void GradScaler::restore(double scale, int64_t clean_steps, Caller caller) {
  if (!(scale > 0) || !std::isfinite(scale) || clean_steps < 0) {
    raise<ValueError>(caller, "GradScaler: scale {}, {} steps", scale, clean_steps);
  }
  scale_ = scale;
  clean_steps_ = clean_steps;
}

}  // namespace fovea::nn
