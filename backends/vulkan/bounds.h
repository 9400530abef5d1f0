#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea::vulkan {

/// What a checked shader reads and writes beside its work: the ranges that its launch may touch, and the first address
/// beyond them. It lies in memory that host and device both see.
struct BoundsTable {
  static constexpr size_t most_ranges = 72;
  struct Range {
    uint64_t begin, end;
  };

  // Left by a shader.
  uint32_t found;
  uint32_t stored;     // whether it was a write
  uint32_t operation;  // the number that the launch had
  uint32_t unused;
  uint64_t address;
  uint64_t unused_wide;
  uint64_t nowhere[8];  // what is read and written in place of memory beyond the ranges; aligned to 16
  // Set before each launch.
  uint32_t number;
  uint32_t writable;  // ranges that may be written and read: the first ones
  uint32_t readable;  // all ranges
  uint32_t unused_too;
  Range ranges[most_ranges];
};

/// The shader with a check before every load and store through an address: one that is outside the ranges of the table
/// at `table` is noted there and goes to a harmless place. Knows nothing of Vulkan.
std::vector<uint32_t> with_bounds_checks(std::span<const uint32_t> words, uint64_t table);

}  // namespace fovea::vulkan
