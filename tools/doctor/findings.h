#pragma once

#include <string>
#include <vector>

#include "conformance/runner.h"
#include "fovea/backends/soundness.h"

namespace fovea::doctor {

using conformance::Deviation;
using conformance::Verdict;

/// What was found out about one operation.
struct Finding {
  std::string operation = {};
  size_t cases = 1;
  Verdict verdict = Verdict::passed;  // unsupported: the device (or the library) lacks it, in every case
  Deviation forward = {}, backward = {};
  std::string what = {};  // of the first failure: what is wrong
};

/// How fast one operation runs.
struct Speed {
  std::string operation = {};
  std::string size = {};
  std::string unit = {};  // GFLOP/s or GB/s
  double forward = 0;     // units a second
  double backward = 0;    // 0 where it is not measured
};

struct Findings {
  std::vector<Finding> operations;
  std::vector<Speed> speeds;

  std::vector<FailedKernel> failed() const;
};

/// A table to read, with the operations that fail named below it.
std::string to_text(const Findings& findings);
/// Everything, with the devices that are there and what the one examined says of itself.
std::string to_json(const Findings& findings, Device device);
/// The devices that are there, their limits and features, and why one is unfit.
std::string describe_devices();

}  // namespace fovea::doctor
