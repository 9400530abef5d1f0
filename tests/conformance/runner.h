#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conformance/case.h"

namespace fovea::conformance {

struct Settings {
  Device device;
  DType dtype = f32;
};

enum class Verdict { passed, failed, unsupported };

struct Outcome {
  Verdict verdict = Verdict::passed;
  std::vector<std::string> failures;  // "<tensor>: max error ..., at ..."
  double greatest_error = 0;          // relative to what is allowed: 1 is the limit
};

/// Runs one case and compares outputs, gradients and second-order gradients with the file's.
Outcome run_case(const Case& test, const data::SafetensorsFile& file, const Settings& settings);

}  // namespace fovea::conformance
