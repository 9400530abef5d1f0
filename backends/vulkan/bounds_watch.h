#pragma once

#include <memory>
#include <span>
#include <vector>

#include "fovea/backends/shape.h"
#include "fovea/backends/vulkan/bounds.h"
#include "fovea/backends/vulkan/hazards.h"
#include "fovea/backends/vulkan/memory_block.h"

namespace fovea::vulkan {

/// Tells the checked shaders of a device what each launch may touch, and the host what one has touched beside it. Since
/// a launch may touch just what the hazard tracker was told of it, this also shows that the tracker was told all.
class BoundsWatch {
 public:
  /// Throws OutOfMemoryError.
  explicit BoundsWatch(const LogicalDevice& device);

  /// Where the shaders find the table: with_bounds_checks' second argument.
  uint64_t table() const { return block_->address(); }
  /// A range that every launch may touch.
  void allow(AddressRange range, bool writable);
  /// Sets the table for the dispatch that is recorded next; it must not be in use by then.
  void set(VkCommandBuffer commands, const char* name, const Shape& shape, std::span<const AddressRange> reads,
           std::span<const AddressRange> writes);
  /// Once the device is done with what was recorded: throws DeviceError where a launch has reached beyond its ranges.
  void check();

 private:
  struct Operation {
    const char* name;
    Shape shape;
  };
  const LogicalDevice& device_;
  std::unique_ptr<MemoryBlock> block_;
  std::vector<AddressRange> always_writable_, always_readable_;
  std::vector<Operation> operations_;  // the latest, in a ring
  uint32_t number_ = 0;
};

}  // namespace fovea::vulkan
