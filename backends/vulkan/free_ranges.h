#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace fovea::vulkan {

/// Sizes are rounded up to classes, so that a freed buffer serves the next request of about its size: multiples of 256
/// bytes to 4 KiB, 8 classes a doubling to 1 MiB, then 16 (at most 12.5 and 6.25 % over).
size_t class_size(size_t bytes);
/// The place of a class's size in a table of all classes.
size_t class_index(size_t size);
inline constexpr size_t class_count = 16 + 16 * 48;

/// The free parts of one block of memory; neighbours grow together. Each part knows the last submit that may still use
/// its bytes. Knows nothing of Vulkan.
class FreeRanges {
 public:
  explicit FreeRanges(size_t bytes) : bytes_(bytes) { ranges_[0] = {bytes, 0}; }

  struct Piece {
    size_t offset;
    uint64_t last_use;
  };
  /// The least free part that is large enough, else nothing; `bytes` is not 0.
  std::optional<size_t> best_fit(size_t bytes) const;
  /// Cuts `bytes` from the part of that size or more that best_fit would choose.
  std::optional<Piece> take(size_t bytes);
  void give(size_t offset, size_t bytes, uint64_t last_use);

  size_t bytes() const { return bytes_; }
  bool all_free() const { return ranges_.size() == 1 && ranges_.begin()->second.bytes == bytes_; }
  /// The last use of a block that is all free.
  uint64_t last_use() const { return ranges_.begin()->second.last_use; }

 private:
  struct Range {
    size_t bytes;
    uint64_t last_use;
  };
  std::map<size_t, Range>::const_iterator find(size_t bytes) const;

  size_t bytes_;
  std::map<size_t, Range> ranges_;  // by offset
};

}  // namespace fovea::vulkan
