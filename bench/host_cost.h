#pragma once

#include "fovea/backends/backend.h"

namespace fovea::bench {

struct HostCost {
  double median;  // microseconds of one operation
  double ninth_decile;
  double value;  // what came out, for a test to look at
};

/// Of `operations` additions, each of the one before; the second of two rounds.
HostCost host_cost(Device device, int operations = 500);

}  // namespace fovea::bench
