#pragma once

#include <cstdint>
#include <vector>

#include "fovea/tensor/expr.h"

namespace fovea {

/// Where an input of a derivative comes from.
struct DerivativeInput {
  enum class From : uint8_t { input, output, gradient };
  From from;
  int index;
};

/// The derivative of a function with respect to some of its inputs: another elementwise function of the inputs, outputs
/// and output gradients that it really needs.
struct Derivative {
  ElementwiseFunction function;  // not yet compiled
  std::vector<DerivativeInput> inputs;
  std::vector<int> wanted;  // function output k is the gradient of input wanted[k]
};

/// Derives `function` symbolically with respect to the inputs whose bit in `wanted` is set, in reverse mode. Where
/// `outputs_kept`, it may read the function's outputs instead of computing them again.
Derivative derive(const ElementwiseFunction& function, uint64_t wanted, bool outputs_kept);

}  // namespace fovea
