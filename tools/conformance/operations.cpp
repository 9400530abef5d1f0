#include "conformance/operations.h"

#include "fovea/nn/module.h"

namespace fovea::conformance {

void Call::load(nn::Module& module) {
  module.to(options.dtype);
  module.to(options.device);
  module.load_state_dict(parameters);
  for (const auto& [name, tensor] : module.named_parameters()) parameters[name] = tensor;
}

const Operations& operations() {
  static const Operations table = [] {
    Operations made;
    add_pointwise_operations(made);
    add_shape_operations(made);
    add_reductions(made);
    add_products_and_norms(made);
    add_losses(made);
    add_layers(made);
    add_convolutions(made);
    add_transformers(made);
    add_training(made);
    return made;
  }();
  return table;
}

}  // namespace fovea::conformance
