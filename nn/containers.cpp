#include "fovea/nn/containers.h"

namespace fovea::nn {

Sequential::Sequential(std::initializer_list<Layer> layers) {
  for (const Layer& layer : layers) append(layer);
}

void Sequential::append(Layer layer, Caller caller) {
  if (layer.module()) add(std::to_string(layers_.size()), *layer.module(), caller);
  layers_.push_back(std::move(layer));
}

Tensor Sequential::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  Tensor y = x;
  for (const Layer& layer : layers_) y = layer.forward(y, caller);
  return y;
}

}  // namespace fovea::nn
