#pragma once

#include <functional>
#include <vector>

#include "fovea/autograd/graph.h"

namespace fovea::autograd {

struct BackwardOptions {
  bool retain_graph = false;  // keep what the graph saved, so that another pass can run through it
  bool create_graph = false;  // record the pass itself, so that its results can be differentiated; implies retain_graph
};

/// Runs the graph from `outputs` back to its leaves and adds to their `grad()`. `gradients` are those of the outputs;
/// where empty, each output must be a scalar and its gradient is 1. What the graph saved is freed on the way unless
/// retained. Throws AutogradError where nothing was recorded or the graph was freed.
///
/// With create_graph a leaf holds a gradient, whose graph holds the leaf: neither is freed before zero_grad() or
/// set_grad({}) on the leaf. autograd::grad() gives such gradients without that circle.
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients = {},
              BackwardOptions options = {}, Caller caller = {});

/// The gradients of `outputs` with respect to `inputs` alone (leaves or not), left out of any `grad()`; undefined for
/// an input that the outputs do not depend on.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& gradients = {}, BackwardOptions options = {}, Caller caller = {});

/// Runs `function` on `inputs` without keeping what it saves for the backward pass, and runs it again there (Chen et
/// al. 2016, "Training deep nets with sublinear memory cost"). Every leaf that it uses and that wants a gradient must
/// stand in `inputs` or `parameters`; AutogradError names the omission. Both runs draw the same random numbers and
/// compute in the same precision (see Autocast).
Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& function, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters = {}, Caller caller = {});

/// The gradients of `definition` (ordinary recorded operations) with respect to each of its arguments, taken at
/// `inputs`: what a fused operation returns from its backward when the pass itself is recorded. `definition` is called
/// with stand-ins for the inputs, so that each gradient is partial even where one input was made from another. Entry i
/// is undefined where not `needs[i]`.
Gradients differentiate(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& definition,
                        std::span<const Tensor> inputs, std::span<const Tensor> gradients, Needs needs);

/// Throws the error of a saved value that was changed in place, naming the operation whose backward runs.
[[noreturn]] void raise_changed_in_place();

}  // namespace fovea::autograd
