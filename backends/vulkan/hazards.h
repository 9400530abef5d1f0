#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::vulkan {

/// The device addresses [begin, end).
struct AddressRange {
  uint64_t begin = 0;
  uint64_t end = 0;

  constexpr bool empty() const { return begin >= end; }
  friend constexpr bool overlap(AddressRange a, AddressRange b) {
    return a.begin < b.end && b.begin < a.end && !a.empty() && !b.empty();
  }
};

/// Joins ranges that overlap or touch, and leaves out empty ones.
void merge_ranges(std::vector<AddressRange>& ranges);

/// Tells which commands need a barrier before them: those that read what was written, or write what was read or
/// written, since the last barrier. Neither a software driver nor the validation layer sees a missing barrier behind a
/// buffer address, so all rests on this. Knows nothing of Vulkan.
class HazardTracker {
 public:
  /// Notes a command's accesses. True where a barrier must be put before the command, which is then taken as done.
  /// An empty range touches nothing.
  bool access(std::span<const AddressRange> reads, std::span<const AddressRange> writes);

  /// Forgets all: a barrier was put for another reason.
  void clear();

 private:
  bool conflicts(std::span<const AddressRange> reads, std::span<const AddressRange> writes) const;

  std::vector<AddressRange> read_;
  std::vector<AddressRange> written_;
};

}  // namespace fovea::vulkan
