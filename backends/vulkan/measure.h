#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {

/// One way of computing something into `out`.
struct Candidate {
  std::string name;
  std::function<void(const View& out)> run;
};

struct Measurement {
  double error = 0;    // the greatest, in units of the reference's greatest value
  bool right = false;  // within the tolerance
  double seconds = 0;  // the best of three runs; 0 where it is wrong
};

/// Runs each candidate into memory of its own that looks like `like`, compares it with what `reference` gives, and
/// times those that are right. A candidate that throws DeviceError is wrong. Waits for the device.
std::vector<Measurement> measure(Engine& engine, const Candidate& reference, const std::vector<Candidate>& candidates,
                                 const View& like, double tolerance);

/// The fastest of those that are right, or -1.
int fastest(const std::vector<Measurement>& measurements);

}  // namespace fovea::vulkan
