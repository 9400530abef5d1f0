#include "fovea/backends/cpu/index.h"

#include <algorithm>

#include "fovea/backends/cpu/copy.h"

namespace fovea::cpu {

DenseIndex::DenseIndex(const char* name, const View& index, int64_t bound, const char* what) : size_(index.numel()) {
  if (index.is_contiguous()) {
    data_ = index.data<int32_t>();
  } else {
    Packed packed = dense(index);
    data_ = packed.view.data<int32_t>();
    copy_ = std::move(packed.buffer);
  }
  // The highest bit of one of these is set where a value is negative or greater than the last. (Any processor has vectors
  // of such sums, but not of unsigned maxima.)
  const auto last = static_cast<uint32_t>(std::min<int64_t>(bound, int64_t{1} << 31) - 1);
  uint32_t outside = 0;
  for (int64_t i = 0; i < size_; ++i) {
    const auto value = static_cast<uint32_t>(data_[i]);
    outside |= value | (last - value);
  }
  if (outside >> 31 == 0) return;
  for (int64_t i = 0; i < size_; ++i) {
    if (static_cast<uint32_t>(data_[i]) >= static_cast<uint64_t>(bound))
      raise<IndexError>({}, "{}: {} {} at position {} is outside [0, {})", name, what, data_[i], i, bound);
  }
}

}  // namespace fovea::cpu
