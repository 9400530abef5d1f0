#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/backends/error.h"

// What can be asked of the Vulkan backend beyond Backend itself. Every call works in a build without Vulkan too.
namespace fovea {

/// One physical device, as its driver describes it.
struct VulkanDevice {
  std::string name;
  std::string type;                 // discrete, integrated, virtual, cpu or other
  std::string driver;               // "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
  std::string api;                  // "1.3.230"
  uint64_t memory = 0;              // bytes of its largest local heap
  uint64_t largest_allocation = 0;  // bytes
  uint32_t shared_memory = 0;       // bytes that a workgroup shares
  uint32_t workgroup_threads = 0;   // at most
  uint32_t subgroup = 0;            // threads that run in step
  std::string cooperative_f16;      // "16 x 16 x 16", or why there is none: "none: it lacks ..."
  std::string cooperative_bf16;
  int index = -1;     // N of "vulkan:N", -1 for an unfit one
  std::string unfit;  // what it lacks, empty for a fit one
};

struct VulkanDevices {
  std::vector<VulkanDevice> devices;  // fit ones first: discrete, integrated, virtual, cpu
  std::string problem;                // why there are none (no loader, no driver), else empty
};

/// Lists what is there; never throws for a machine without Vulkan.
VulkanDevices list_vulkan_devices();

/// What a device has done since it was started.
struct VulkanCounters {
  uint64_t dispatches = 0;
  uint64_t prepared = 0;  // dispatches among them that were recorded once for many runs
  uint64_t barriers = 0;
  uint64_t submits = 0;
  uint64_t round_trips = 0;  // times that the host needed a result of the device: reads and synchronisations
  uint64_t waits = 0;        // times that the host had to wait for the device, for whatever reason
  uint64_t pipelines = 0;    // shaders made ready
  uint64_t uploaded = 0;     // bytes
  uint64_t downloaded = 0;
};

/// Throws DeviceError where the device is absent.
VulkanCounters vulkan_counters(int index = 0, Caller caller = {});

/// What a device decided by itself and why, a line each: whether it uses cooperative matrices, which tiles of products it
/// measured to be fastest. Throws DeviceError where the device is absent.
std::vector<std::string> vulkan_notes(int index = 0, Caller caller = {});

/// What the validation layer has said so far. It is loaded where FOVEA_VULKAN_VALIDATION=1 is in the environment.
std::vector<std::string> vulkan_validation_messages();

}  // namespace fovea
