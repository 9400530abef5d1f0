#pragma once

#include <initializer_list>
#include <vector>

#include "fovea/tensor/tensor.h"

// Axes that are stretched, shrunk or averaged by parts: a matrix whose rows are short bands of weights times one axis.
namespace fovea::autograd {

/// A matrix [rows, in]: where each row's weights begin, and they are 0 elsewhere. Bands begin and end in rising order, so that
/// the columns are bands, too.
class Band {
 public:
  /// `rows` and `weights`: how many will be added at most, the latter no more than an i32 counts. Throws OutOfMemoryError of
  /// the operation `name`.
  Band(int64_t in, int64_t rows, int64_t weights, const char* name);
  /// The next row.
  void add(int64_t first, std::initializer_list<double> weights);
  /// The next row: `count` equal weights.
  void add(int64_t first, int64_t count, double weight);

  int64_t in() const { return in_; }
  int64_t rows() const { return static_cast<int64_t>(places_.size()) / 3; }
  Band transposed(const char* name) const;
  /// The matrix times x's `axis`, as the operation `name`: x of f32 or f64, in() elements along it. Differentiable to any
  /// order. What a band leaves out is not read: infinities there do no harm.
  Tensor times(const Tensor& x, int axis, const char* name, Caller caller = {}) const;

 private:
  int64_t in_;
  std::vector<int32_t> places_;  // as BandCall's
  std::vector<double> weights_;
};

}  // namespace fovea::autograd
