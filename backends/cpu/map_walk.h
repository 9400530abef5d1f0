#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// A view spread over a space whose positions are numbered row by row: neighbouring axes that the view crosses with one
/// stride are one axis here, and axes of size 1 are gone.
class Walk {
 public:
  Walk() = default;
  /// `view` broadcast to `space`; its axes taken in `order` (outermost first), or as they stand where that is null.
  Walk(const View& view, const Shape& space, const int* order = nullptr);

  DType dtype() const { return dtype_; }
  /// Every position has the same element.
  bool repeats() const { return axes_ == 0 || (axes_ == 1 && strides_[0] == 0); }
  /// Position i is element i.
  bool linear() const { return axes_ == 0 || (axes_ == 1 && strides_[0] == 1); }
  /// How many positions in a row have the stride `inner_stride()`, starting at multiples of that number.
  int64_t run() const { return axes_ ? sizes_[axes_ - 1] : 1; }
  int64_t inner_stride() const { return axes_ ? strides_[axes_ - 1] : 1; }
  /// Whether neighbours along the innermost axis are far apart while those along another one are adjacent.
  bool transposed() const;

  /// The element at a position.
  std::byte* at(int64_t position) const;

  /// Copies the elements of [position, position + n) to a dense array.
  void gather(int64_t position, int64_t n, void* to) const;
  /// Copies a dense array to the elements of [position, position + n).
  void scatter(const void* from, int64_t position, int64_t n) const;

 private:
  std::byte* first_ = nullptr;
  DType dtype_ = DType::f32;
  int axes_ = 0;
  int64_t sizes_[max_rank];
  int64_t strides_[max_rank];
};

}  // namespace fovea::cpu
