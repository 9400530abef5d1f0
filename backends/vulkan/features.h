#pragma once

#include <string>
#include <vector>

#include "fovea/backends/vulkan/loader.h"

namespace fovea::vulkan {

/// The structures of all features that the backend knows of, linked; pinned, for they point at each other.
struct FeatureChain {
  FeatureChain();
  FeatureChain(const FeatureChain&) = delete;
  FeatureChain& operator=(const FeatureChain&) = delete;

  VkPhysicalDeviceFeatures2 head{};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};
  VkPhysicalDeviceSynchronization2Features synchronization2{};
  VkPhysicalDeviceMaintenance4Features maintenance4{};
};

/// What the backend needs of a device and does not find: "it lacks timelineSemaphore, synchronization2", or "".
std::string what_is_missing(const InstanceFunctions& vk, VkPhysicalDevice device,
                            const VkPhysicalDeviceProperties& properties);

/// The features and extensions that a logical device is made with: what is needed, and of the rest what is there.
struct EnabledFeatures {
  EnabledFeatures(const InstanceFunctions& vk, VkPhysicalDevice device);

  FeatureChain chain;
  std::vector<const char*> extensions;
};

}  // namespace fovea::vulkan
