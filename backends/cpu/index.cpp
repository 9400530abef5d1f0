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
  // As unsigned, a negative value is too large as well.
  uint32_t greatest = 0;
  for (int64_t i = 0; i < size_; ++i) greatest = std::max(greatest, static_cast<uint32_t>(data_[i]));
  if (size_ == 0 || greatest < static_cast<uint64_t>(bound)) return;
  for (int64_t i = 0; i < size_; ++i) {
    if (static_cast<uint32_t>(data_[i]) >= static_cast<uint64_t>(bound))
      raise<IndexError>({}, "{}: {} {} at position {} is outside [0, {})", name, what, data_[i], i, bound);
  }
}

}  // namespace fovea::cpu
