#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::autograd {

using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

struct GradcheckOptions {
  double step = 1e-6;
  double atol = 1e-6;
  double rtol = 1e-4;
};

/// What a check found: `message` says where analysis and measurement differ most, or is empty.
struct GradcheckResult {
  bool passed = true;
  std::string message;
  explicit operator bool() const { return passed; }
};

/// Compares the gradients of `function` at `inputs` with central differences, for one random weighting of its outputs.
/// Inputs that require a gradient must be f64; the others are passed on as they are. Throws ValueError where none
/// requires one, DTypeError where one that does is not f64.
GradcheckResult gradcheck(const Function& function, const std::vector<Tensor>& inputs, GradcheckOptions options = {},
                          Caller caller = {});
/// The same for the gradients themselves: the second derivatives. Also whether a gradient is the same where it is recorded,
/// since what is differentiated again may be another formula.
GradcheckResult gradgradcheck(const Function& function, const std::vector<Tensor>& inputs,
                              GradcheckOptions options = {}, Caller caller = {});

}  // namespace fovea::autograd

/// "passed", or where analysis and measurement differ most.
template <>
struct fmt::formatter<fovea::autograd::GradcheckResult> : fovea::TextFormatter {
  auto format(const fovea::autograd::GradcheckResult& result, fmt::format_context& context) const {
    return write(result.passed ? "passed" : result.message, context);
  }
};
