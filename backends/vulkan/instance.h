#pragma once

#include <vector>

#include "fovea/backends/vulkan.h"
#include "fovea/backends/vulkan/cooperative.h"
#include "fovea/backends/vulkan/loader.h"

namespace fovea::vulkan {

/// A physical device and what the kernels ask about it.
struct PhysicalDevice {
  VkPhysicalDevice handle = nullptr;
  VulkanDevice about;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  uint32_t vendor = 0;
  uint32_t device = 0;
  uint32_t driver_version = 0;
  uint8_t driver_uuid[VK_UUID_SIZE] = {};
  uint8_t cache_uuid[VK_UUID_SIZE] = {};

  uint32_t queue_family = 0;
  uint32_t timestamp_bits = 0;
  double timestamp_nanoseconds = 1;

  /// Between two time stamps, of which only timestamp_bits count.
  double seconds_between(uint64_t before, uint64_t after) const {
    const uint64_t mask = timestamp_bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << timestamp_bits) - 1;
    return static_cast<double>((after - before) & mask) * timestamp_nanoseconds * 1e-9;
  }

  uint32_t subgroup_size = 1;
  uint32_t workgroup_threads = 128;  // the most of one workgroup
  uint32_t most_groups = 65535;      // along the first axis of a grid
  uint32_t shared_bytes = 16384;
  uint64_t max_allocation = 0;  // which drivers promise; some give larger ones
  uint64_t max_buffer = 0;
  CooperativeSupport cooperative;
  bool preserves_nan = false;  // f32 arithmetic keeps signed zeros, infinities and NaN where asked to

  bool is_cpu() const { return type == VK_PHYSICAL_DEVICE_TYPE_CPU; }
  /// The host reads and writes the device's memory at full speed.
  bool is_unified() const { return is_cpu() || type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU; }
};

/// The connection to Vulkan, with the validation layer where FOVEA_VULKAN_VALIDATION=1 is in the environment.
class Instance {
 public:
  /// Throws DeviceError, saying why there is no Vulkan here.
  Instance();
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const InstanceFunctions& vk() const { return vk_; }
  /// Fit devices first, each kind in the driver's order.
  const std::vector<PhysicalDevice>& devices() const { return devices_; }

 private:
  explicit Instance(bool validate);
  PhysicalDevice inspect(VkPhysicalDevice handle) const;

  VkInstance handle_ = nullptr;
  InstanceFunctions vk_{};
  VkDebugUtilsMessengerEXT messenger_ = nullptr;
  std::vector<PhysicalDevice> devices_;
};

/// The process's instance, made on first use. Throws DeviceError.
Instance& instance();

/// Throws OutOfMemoryError or DeviceError "vulkan: `what`: VK_..." unless the call succeeded.
void check(VkResult result, const char* what);

}  // namespace fovea::vulkan
