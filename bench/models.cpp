#include "workloads.h"

namespace fovea::bench {

std::vector<Workload> model_workloads() { return {}; }

}  // namespace fovea::bench
