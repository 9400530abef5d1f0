#pragma once

#include "fovea/backends/backend.h"

namespace fovea::cpu {

/// An i32 view read in row-major order, every value checked to lie in [0, bound). Throws IndexError, which names the
/// operation, `what` the value is, the first that does not, its position and the bound.
class DenseIndex {
 public:
  DenseIndex(const char* name, const View& index, int64_t bound, const char* what = "index");

  int64_t size() const { return size_; }
  int64_t operator[](int64_t i) const { return data_[i]; }
  const int32_t* begin() const { return data_; }

 private:
  BufferRef copy_;
  const int32_t* data_;
  int64_t size_;
};

}  // namespace fovea::cpu
