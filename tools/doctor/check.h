#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "doctor/findings.h"
#include "fovea/tensor/tensor.h"

namespace fovea::doctor {

/// A function that exercises a kernel of the backend interface, and what to run it on.
struct Check {
  std::string kernel;
  std::vector<Tensor> inputs;  // on the CPU; floating ones in f64
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> run;
  DType dtype = f32;     // what floating inputs are converted to
  double within = 1e-4;  // the error that is allowed, relative above 1
  bool gradients = true;
  bool differences = true;  // of values, beside the gradients: they take a run for each element of the inputs
};

/// A check of every kernel that a backend has, small enough to take no more than seconds on a software device.
std::vector<Check> built_in_checks();

/// Compares the device's values and gradients with those of the CPU in f64, and, where the CPU itself is examined, the
/// gradients in f64 with differences of the values.
Finding examine(const Check& check, Device device);
std::vector<Finding> examine(std::span<const Check> checks, Device device);

/// Replays the reference cases of a folder, one finding an operation. Throws DataError.
std::vector<Finding> replay(const std::string& folder, Device device);

/// Times some operations on sizes that keep the device busy for some hundredths of a second.
std::vector<Speed> measure_speeds(Device device);

}  // namespace fovea::doctor
