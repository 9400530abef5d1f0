#pragma once

#include <string>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::nn {

/// A tensor that a loss depends on, and where.
struct Unregistered {
  Tensor tensor;
  const char* operation;  // that reads it: "linear"
  Caller where;           // the line that called the operation
};
/// "linear (net.cpp:42) reads a f32 [512, 784]".
std::string to_string(const Unregistered& found);

/// Leaves that want a gradient of `loss` and are none of `known`, such as a model's parameters(). A module that stands
/// within another as a member, but was never added to it, is trained by nobody: its parameters are found here. So are
/// inputs whose gradient is wanted. To be called before backward(), which frees the graph; AutogradError then.
///
///     for (const nn::Unregistered& each : nn::unregistered_parameters(loss, model.parameters())) {
///       fmt::print("{}\n", to_string(each));
///     }
///
/// A tensor that was never added wants no gradient, so that it looks like any other constant.
std::vector<Unregistered> unregistered_parameters(const Tensor& loss, const std::vector<Tensor>& known,
                                                  Caller caller = {});

}  // namespace fovea::nn
