#include "fovea/backends/factories.h"
#include "fovea/backends/vulkan.h"

// A build without Vulkan: every call on a Vulkan device says so.
namespace fovea {
namespace {
constexpr const char* absent = "this build of fovea has no Vulkan backend";
}

Backend& vulkan_backend(int index, Caller caller) { raise<DeviceError>(caller, "vulkan:{}: {}", index, absent); }

void run_on_vulkan(const CustomCall&, int index) { vulkan_backend(index, {}); }

VulkanDevices list_vulkan_devices() { return {.devices = {}, .problem = absent}; }

VulkanCounters vulkan_counters(int index, Caller caller) { raise<DeviceError>(caller, "vulkan:{}: {}", index, absent); }

std::vector<std::string> vulkan_notes(int index, Caller caller) {
  vulkan_backend(index, caller);
  return {};
}
std::vector<std::string> vulkan_validation_messages() { return {}; }

}  // namespace fovea
