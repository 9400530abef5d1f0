#pragma once

#include <deque>

#include "fovea/backends/vulkan/memory_block.h"
#include "fovea/backends/vulkan/recorder.h"

namespace fovea::vulkan {

/// A ring of memory that host and device both see, through which bytes travel: what is written here is read by commands
/// of the open batch, and the place is used again when that batch is done.
class StagingRing {
 public:
  /// Throws OutOfMemoryError.
  StagingRing(const LogicalDevice& device, Recorder& recorder, MemoryUse use, size_t bytes);

  struct Slot {
    std::byte* host;
    VkBuffer buffer;
    uint64_t offset;
    uint64_t address;
  };
  /// `bytes` (at most largest()), aligned to 16, for commands that are recorded next; waits where the ring is full.
  Slot take(size_t bytes);
  AddressRange range() const { return {block_->address(), block_->address() + block_->bytes()}; }
  size_t largest() const { return block_->bytes() / 2; }

 private:
  struct Span {
    size_t begin;
    size_t end;
    uint64_t batch;
  };

  Recorder& recorder_;
  std::unique_ptr<MemoryBlock> block_;
  std::deque<Span> in_use_;  // oldest first
  size_t next_ = 0;
};

}  // namespace fovea::vulkan
