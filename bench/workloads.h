#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fovea/fovea.h"

namespace fovea::bench {

/// What one step does, and what it gives: the loss, a model's or an operation's output.
struct Prepared {
  std::function<Tensor()> step;
  std::vector<Tensor> weights = {};  // that it trains
};

/// A step of training: zero gradients, the loss, backward, update.
Prepared training(const std::shared_ptr<nn::Module>& model, std::shared_ptr<nn::Optimizer> optimizer,
                  std::function<Tensor()> loss);
/// By Adam (rate 1e-3), on a device.
Prepared adam_training(const std::shared_ptr<nn::Module>& model, Device device, std::function<Tensor()> loss);
/// A forward pass on a device, in evaluation mode and without a graph.
Prepared inference(const std::shared_ptr<nn::Module>& model, Device device, std::function<Tensor()> forward);

/// A named piece of work: `prepare` makes models and inputs on a device.
struct Workload {
  std::string name;
  std::function<Prepared(Device)> prepare;
};

/// Training with a `part`th of the batches (a power of two, at most 16).
std::vector<Workload> model_workloads(int64_t part = 1);
/// Whole models of more kinds, which the list without names leaves out.
std::vector<Workload> more_model_workloads(int64_t part = 1);
std::vector<Workload> operation_workloads();
std::vector<Workload> loading_workloads();

}  // namespace fovea::bench
