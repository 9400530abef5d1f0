#include "fovea/backends/vulkan/free_ranges.h"
#include "fovea/backends/round_up.h"

#include <algorithm>
#include <bit>

namespace fovea::vulkan {
namespace {
constexpr size_t unit = 256;
constexpr size_t linear_end = 16 * unit;
constexpr size_t fine_begin = size_t{1} << 20;
}  // namespace

size_t class_size(size_t bytes) {
  if (bytes <= linear_end) return std::max(divide_up(bytes, unit), size_t{1}) * unit;
  const int width = std::bit_width(bytes - 1);  // bytes are in (2^(width - 1), 2^width]
  const size_t step = size_t{1} << (width - (bytes > fine_begin ? 5 : 4));
  return round_up(bytes, step);
}

size_t class_index(size_t size) {
  if (size <= linear_end) return size / unit - 1;
  const int width = std::bit_width(size - 1);
  const size_t sixteenth = (size - 1 - (size_t{1} << (width - 1))) >> (width - 5);
  return 16 + static_cast<size_t>(width - 13) * 16 + sixteenth;
}

std::map<size_t, FreeRanges::Range>::const_iterator FreeRanges::find(size_t bytes) const {
  auto best = ranges_.end();
  for (auto range = ranges_.begin(); range != ranges_.end(); ++range) {
    if (range->second.bytes >= bytes && (best == ranges_.end() || range->second.bytes < best->second.bytes))
      best = range;
  }
  return best;
}

std::optional<size_t> FreeRanges::best_fit(size_t bytes) const {
  const auto range = find(bytes);
  if (range == ranges_.end()) return std::nullopt;
  return range->second.bytes;
}

std::optional<FreeRanges::Piece> FreeRanges::take(size_t bytes) {
  const auto range = find(bytes);
  if (range == ranges_.end()) return std::nullopt;
  const Piece piece{range->first, range->second.last_use};
  const size_t rest = range->second.bytes - bytes;
  ranges_.erase(range);
  if (rest > 0) ranges_[piece.offset + bytes] = {rest, piece.last_use};
  return piece;
}

void FreeRanges::give(size_t offset, size_t bytes, uint64_t last_use) {
  auto after = ranges_.lower_bound(offset);
  if (after != ranges_.end() && after->first == offset + bytes) {
    bytes += after->second.bytes;
    last_use = std::max(last_use, after->second.last_use);
    after = ranges_.erase(after);
  }
  if (after != ranges_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second.bytes == offset) {
      before->second.bytes += bytes;
      before->second.last_use = std::max(before->second.last_use, last_use);
      return;
    }
  }
  ranges_[offset] = {bytes, last_use};
}

}  // namespace fovea::vulkan
