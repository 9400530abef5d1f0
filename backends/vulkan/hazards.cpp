#include "fovea/backends/vulkan/hazards.h"

#include <algorithm>

namespace fovea::vulkan {
namespace {

// Looking through the ranges costs time that grows with them; a barrier after this many is cheaper.
constexpr size_t most_ranges = 96;

bool any_overlap(std::span<const AddressRange> ranges, std::span<const AddressRange> others) {
  for (const AddressRange& range : ranges) {
    for (const AddressRange& other : others) {
      if (overlap(range, other)) return true;
    }
  }
  return false;
}

void append(std::vector<AddressRange>& to, std::span<const AddressRange> ranges) {
  for (const AddressRange& range : ranges) {
    if (!range.empty()) to.push_back(range);
  }
}

}  // namespace

void merge_ranges(std::vector<AddressRange>& ranges) {
  std::erase_if(ranges, [](const AddressRange& range) { return range.empty(); });
  std::sort(ranges.begin(), ranges.end(), [](AddressRange a, AddressRange b) { return a.begin < b.begin; });
  size_t kept = 0;
  for (const AddressRange& range : ranges) {
    if (kept > 0 && range.begin <= ranges[kept - 1].end) {
      ranges[kept - 1].end = std::max(ranges[kept - 1].end, range.end);
    } else {
      ranges[kept++] = range;
    }
  }
  ranges.resize(kept);
}

bool HazardTracker::conflicts(std::span<const AddressRange> reads, std::span<const AddressRange> writes) const {
  return any_overlap(written_, reads) || any_overlap(written_, writes) || any_overlap(read_, writes);
}

bool HazardTracker::access(std::span<const AddressRange> reads, std::span<const AddressRange> writes) {
  const bool full = read_.size() + written_.size() + reads.size() + writes.size() > most_ranges;
  const bool barrier = (full && read_.size() + written_.size() > 0) || conflicts(reads, writes);
  if (barrier) clear();
  append(read_, reads);
  append(written_, writes);
  return barrier;
}

void HazardTracker::clear() {
  read_.clear();
  written_.clear();
}

}  // namespace fovea::vulkan
