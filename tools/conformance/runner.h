#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "conformance/case.h"

namespace fovea::conformance {

struct Settings {
  Device device;
  DType dtype = f32;
};

enum class Verdict { passed, failed, unsupported };

/// How far results are from those of the file.
struct Deviation {
  bool measured = false;
  double absolute = 0;  // the greatest error
  double relative = 0;  // the greatest in units of what is allowed: 1 is the limit

  void include(double error, double allowed);
  void include(const Deviation& other);
};

struct Outcome {
  Verdict verdict = Verdict::passed;
  std::vector<std::string> failures;  // "<tensor>: max error ..., at ..."
  Deviation forward;                  // of outputs
  Deviation backward;                 // of gradients of both orders and of what training left

  double greatest_error() const { return std::max(forward.relative, backward.relative); }
};

/// Runs one case and compares outputs, gradients and second-order gradients with the file's.
Outcome run_case(const Case& test, const data::SafetensorsFile& file, const Settings& settings);

}  // namespace fovea::conformance
