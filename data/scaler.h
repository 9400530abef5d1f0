#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::data {

/// How the numbers of a column are brought to a common scale.
enum class Scaling : uint8_t {
  standard,  // (x - mean) / standard deviation
  quantile,  // such that they are distributed normally: by their rank among the numbers it was fitted on
};

/// Maps a column's numbers to a scale that was fitted on other numbers of it. Constant numbers become 0.
class Scaler {
 public:
  Scaler() = default;
  /// Infinite numbers and NaN do not count.
  static Scaler fit(std::span<const double> values, Scaling scaling);

  double operator()(double x) const;

  Scaling scaling() const { return scaling_; }
  /// What from_parameters takes: mean and deviation; or the knots' values and then their images.
  std::vector<double> parameters() const;
  /// Throws ValueError where they are not such.
  static Scaler from_parameters(Scaling scaling, std::span<const double> parameters, Caller caller = {});

 private:
  Scaling scaling_ = Scaling::standard;
  double mean_ = 0;
  double deviation_ = 1;
  std::vector<double> knots_;   // rising values of the column
  std::vector<double> images_;  // where they go; between them it is linear
};

}  // namespace fovea::data
