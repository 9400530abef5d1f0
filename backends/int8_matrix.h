#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea {

/// A matrix [rows, columns] of whole numbers from -127 to 127 with a scale for each row, laid out for products on the
/// CPU.
class Int8Matrix {
 public:
  /// Whether this CPU multiplies such numbers faster than floats: by the instructions that AVX-512's VNNI adds.
  static bool pays();

  /// `values` [rows, columns], `scales` [rows].
  Int8Matrix(std::span<const int8_t> values, std::span<const float> scales);

  int64_t rows() const { return static_cast<int64_t>(scales_.size()); }
  int64_t columns() const { return columns_; }

  /// y [count, rows] = x [count, columns] times the transposed matrix, plus bias [rows] unless it is null. Each row of x
  /// is rounded to whole numbers from -127 to 127 with a scale of its own (NaN where the row is not finite); products
  /// are summed in 32 bits, which is exact up to `most_columns`. The same numbers on every CPU.
  void multiply(const float* x, const float* bias, float* y, int64_t count) const;

  static constexpr int64_t most_columns = 65536;

 private:
  int64_t columns_;
  std::vector<float> scales_;
  std::vector<uint8_t> packed_;
};

}  // namespace fovea
