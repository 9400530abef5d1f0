#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance/case.h"

namespace fovea::nn {
class Module;
}

namespace fovea::conformance {

/// What an operation runs on. Inputs and parameters whose gradient is expected require one.
struct Call {
  const Attributes& attributes;
  std::vector<Tensor> inputs;
  std::map<std::string, Tensor> parameters;
  TensorOptions options;  // of floating tensors

  const Tensor& operator[](size_t i) const { return inputs.at(i); }
  /// The input, or an undefined tensor where there are fewer.
  Tensor optional(size_t i) const { return i < inputs.size() ? inputs[i] : Tensor(); }

  /// Gives a module the call's dtype, device and parameters, and lets the gradients be read from its own.
  void load(nn::Module& module);
};

/// An option that the library has no counterpart for.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Operation = std::function<std::vector<Tensor>(Call&)>;
using Operations = std::map<std::string, Operation>;

void add_pointwise_operations(Operations& table);
void add_shape_operations(Operations& table);
void add_reductions(Operations& table);
void add_products_and_norms(Operations& table);
void add_losses(Operations& table);
void add_layers(Operations& table);
void add_convolutions(Operations& table);
void add_transformers(Operations& table);
void add_training(Operations& table);

/// Every operation by the name that cases use.
const Operations& operations();

}  // namespace fovea::conformance
