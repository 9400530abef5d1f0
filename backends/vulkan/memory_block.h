#pragma once

#include <memory>
#include <vector>

#include "fovea/backends/vulkan/logical_device.h"

namespace fovea::vulkan {

/// What a block of memory is for, which decides where the driver puts it.
enum class MemoryUse : uint8_t {
  tensors,   // the device's own; the host sees it too where that costs nothing
  upload,    // written by the host, read by the device
  download,  // written by the device, read by the host
};

/// The types of memory for a use, in the order in which to try them.
std::vector<uint32_t> memory_types(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, MemoryUse use,
                                   bool unified);

/// One allocation of the driver with one buffer over it, mapped where the host can see it.
class MemoryBlock {
 public:
  /// Null where the driver has no memory left; throws DeviceError for every other failure.
  static std::unique_ptr<MemoryBlock> make(const LogicalDevice& device, MemoryUse use, size_t bytes);
  ~MemoryBlock();
  MemoryBlock(const MemoryBlock&) = delete;
  MemoryBlock& operator=(const MemoryBlock&) = delete;

  VkBuffer buffer() const { return buffer_; }
  uint64_t address() const { return address_; }
  size_t bytes() const { return bytes_; }
  /// Null where the host cannot see it.
  std::byte* host() const { return host_; }

 private:
  MemoryBlock(const LogicalDevice& device, size_t bytes) : device_(device), bytes_(bytes) {}
  VkResult open(MemoryUse use);

  const LogicalDevice& device_;
  size_t bytes_;
  VkBuffer buffer_ = nullptr;
  VkDeviceMemory memory_ = nullptr;
  uint64_t address_ = 0;
  std::byte* host_ = nullptr;
};

}  // namespace fovea::vulkan
