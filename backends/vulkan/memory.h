#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "fovea/backends/backend.h"
#include "fovea/backends/vulkan/free_ranges.h"
#include "fovea/backends/vulkan/hazards.h"
#include "fovea/backends/vulkan/memory_block.h"

namespace fovea::vulkan {

struct TensorBlock;

class VulkanBuffer : public Buffer {
 public:
  VulkanBuffer(Backend& backend, TensorBlock& block, size_t offset, size_t bytes, uint64_t last_use);
  /// Some of the bytes of another.
  VulkanBuffer(VulkanBuffer& whole, size_t offset, size_t bytes);

  TensorBlock& block() const { return block_; }
  size_t offset() const { return offset_; }
  VkBuffer handle() const;
  /// The bytes where the host can see them; to be touched only when the device is done with them.
  std::byte* mapped() const;
  /// The last submit that uses these bytes or, of a part, any of the whole's: other parts may lie in the same place.
  uint64_t busy_until() const { return whole_ ? std::max(last_use, whole_->busy_until()) : last_use; }
  /// Notes that commands of `batch` use it.
  void use(uint64_t batch, bool written);

  uint64_t last_use = 0;    // the last submit that reads or writes the bytes
  uint64_t last_write = 0;  // the last submit that writes them

 private:
  TensorBlock& block_;
  size_t offset_;
  VulkanBuffer* whole_ = nullptr;
};

struct TensorBlock {
  std::unique_ptr<MemoryBlock> memory;
  FreeRanges free;
};

/// Device memory for tensors: buffers cut from large blocks. A freed buffer is kept for the next request of its size
/// class and may be handed out at once, for the single queue works in order and the hazard tracker sees addresses.
/// Where no kept buffer fits, all are given back to their blocks, in which free neighbours join, before a block is
/// added.
class Memory {
 public:
  Memory(Backend& backend, const LogicalDevice& device) : backend_(backend), device_(device) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Null where the device has no memory left.
  VulkanBuffer* allocate(size_t bytes);
  void recycle(VulkanBuffer* buffer) noexcept;
  MemoryStats stats() const;
  /// Returns the limit before.
  size_t set_cache_limit(size_t bytes) { return std::exchange(cache_limit_, bytes); }
  bool over_limit() const { return reserved_ - live_ > cache_limit_; }
  /// Gives unused blocks back to the driver until the cache is within its limit, or empty. `completed` is the last
  /// submit that the device has finished; a block of later use stays.
  void trim(uint64_t completed, bool all = false);

 private:
  VulkanBuffer* pop(size_t index);
  VulkanBuffer* carve(size_t size);
  bool add_block(size_t size);
  void give_back_kept();

  Backend& backend_;
  const LogicalDevice& device_;
  std::vector<std::unique_ptr<TensorBlock>> blocks_;
  std::array<std::vector<VulkanBuffer*>, class_count> kept_;
  size_t kept_count_ = 0;
  size_t reserved_ = 0;
  size_t live_ = 0;
  size_t peak_ = 0;
  size_t cache_limit_ = SIZE_MAX;
  uint64_t requests_ = 0;
  uint64_t misses_ = 0;
};

}  // namespace fovea::vulkan
