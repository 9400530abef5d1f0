#pragma once

#include <fovea/fovea.h>

#include "support/expect.h"
#include "support/layouts.h"

namespace fovea::test {

/// First and second derivatives of a module's forward pass in f64, with respect to the floating ones of `inputs` and to
/// every parameter. The module is converted to f64.
template <class F>
::testing::AssertionResult layer_gradients_hold(nn::Module& module, std::vector<Tensor> inputs, const F& forward) {
  module.to(f64);
  const std::vector<Tensor> parameters = module.parameters();
  const size_t given = inputs.size();
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  const auto result = gradients_hold(
      [&](const std::vector<Tensor>& x) {
        module.replace_parameters({x.begin() + static_cast<std::ptrdiff_t>(given), x.end()});
        return detail::as_outputs(forward({x.begin(), x.begin() + static_cast<std::ptrdiff_t>(given)}));
      },
      inputs);
  module.replace_parameters(parameters);
  return result;
}

/// The parameters' names and shapes: "weight [3, 4]", ...
inline std::vector<std::string> described(const nn::Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : module.named_parameters())
    out.push_back(fmt::format("{} {}", name, tensor.shape()));
  return out;
}

inline nn::StateDict copy_of(const nn::StateDict& state) {
  nn::StateDict copy;
  for (const auto& [name, tensor] : state) copy[name] = tensor.detach().clone();
  return copy;
}

/// Of two sequences of four the first keeps three elements, the second none.
inline Tensor keep_mask() { return from_vector(std::vector<bool>{1, 1, 0, 1, 0, 0, 0, 0}, {2, 4}); }

}  // namespace fovea::test
