#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/fovea.h"

namespace fovea::bench {

/// What one step does, and what it gives: the loss, a model's or an operation's output.
struct Prepared {
  std::function<Tensor()> step;
  std::vector<Tensor> weights = {};  // that it trains
};

/// A named piece of work: `prepare` makes models and inputs on a device.
struct Workload {
  std::string name;
  std::function<Prepared(Device)> prepare;
};

/// Training with a `part`th of the batches (a power of two, at most 16).
std::vector<Workload> model_workloads(int64_t part = 1);
std::vector<Workload> operation_workloads();
std::vector<Workload> loading_workloads();

}  // namespace fovea::bench
