#pragma once

#include <functional>

#include "fovea/backends/vulkan/instance.h"

namespace fovea::vulkan {

/// All parameters of a kernel fit into what every device has.
inline constexpr uint32_t push_bytes = 128;

/// A device opened for compute: one queue, one timeline that counts its submits, one pipeline layout that is nothing
/// but push constants.
class LogicalDevice {
 public:
  /// `stand_in` may change the entry points before they are used.
  explicit LogicalDevice(const PhysicalDevice& physical, const std::function<void(DeviceFunctions&)>& stand_in = {});
  ~LogicalDevice();
  LogicalDevice(const LogicalDevice&) = delete;
  LogicalDevice& operator=(const LogicalDevice&) = delete;

  const PhysicalDevice& physical() const { return physical_; }
  const DeviceFunctions& vk() const { return vk_; }
  VkDevice handle() const { return handle_; }
  VkQueue queue() const { return queue_; }
  VkSemaphore timeline() const { return timeline_; }
  VkPipelineLayout layout() const { return layout_; }

 private:
  struct Unopened {};
  LogicalDevice(const PhysicalDevice& physical, Unopened) : physical_(physical) {}

  PhysicalDevice physical_;
  DeviceFunctions vk_{};
  VkDevice handle_ = nullptr;
  VkQueue queue_ = nullptr;
  VkSemaphore timeline_ = nullptr;
  VkPipelineLayout layout_ = nullptr;
};

}  // namespace fovea::vulkan
