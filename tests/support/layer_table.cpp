#include "support/layer_table.h"

namespace fovea::test {

Known::Known(const nn::StateDict& state) {
  for (const auto& [name, tensor] : state) named_.emplace(name, Numbers(tensor));
}

Known Known::under(const std::string& prefix) const {
  Known out;
  for (const auto& [name, numbers] : named_) {
    if (name.starts_with(prefix + ".")) out.named_.emplace(name.substr(prefix.size() + 1), numbers);
  }
  return out;
}

std::unique_ptr<nn::Module> Layer::made() const {
  std::unique_ptr<nn::Module> module = GetParam().make();
  uint64_t seed = 1000;
  nn::StateDict state;
  for (const auto& [name, tensor] : module->named_parameters()) {
    state[name] = random_between(-0.7, 0.7, tensor.shape(), tensor.options(), ++seed);
  }
  for (const auto& [name, tensor] : module->named_buffers()) {
    state[name] = is_floating(tensor.dtype()) ? random_between(0.5, 1.5, tensor.shape(), tensor.options(), ++seed)
                                              : tensor.clone();
  }
  module->load_state_dict(state);
  return module;
}

}  // namespace fovea::test
