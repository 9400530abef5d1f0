#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/fovea.h"

namespace fovea::bench {

/// A named piece of work: `prepare` makes models and inputs on a device and returns what one step does.
struct Workload {
  std::string name;
  std::function<std::function<void()>(Device)> prepare;
};

std::vector<Workload> model_workloads();
std::vector<Workload> operation_workloads();

}  // namespace fovea::bench
