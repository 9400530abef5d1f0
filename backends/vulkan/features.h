#pragma once

#include <string>
#include <vector>

#include "fovea/backends/vulkan/cooperative.h"
#include "fovea/backends/vulkan/loader.h"

namespace fovea::vulkan {

std::vector<VkExtensionProperties> extensions_of(const InstanceFunctions& vk, VkPhysicalDevice device);
bool contains(const std::vector<VkExtensionProperties>& extensions, const char* name);

/// The structures of all features that the backend knows of, linked but for those of extensions that few
/// devices have; pinned, for they point at each other.
struct FeatureChain {
  FeatureChain();
  FeatureChain(const FeatureChain&) = delete;
  FeatureChain& operator=(const FeatureChain&) = delete;

  VkPhysicalDeviceFeatures2 head{};
  VkPhysicalDeviceVulkan11Features v11{};
  VkPhysicalDeviceVulkan12Features v12{};
  VkPhysicalDeviceSynchronization2Features synchronization2{};
  VkPhysicalDeviceMaintenance4Features maintenance4{};
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_control{};  // not linked
};

/// What the backend needs of a device and does not find: "it lacks timelineSemaphore, synchronization2", or "".
std::string what_is_missing(const InstanceFunctions& vk, VkPhysicalDevice device,
                            const VkPhysicalDeviceProperties& properties);

/// The features and extensions that a logical device is made with: what is needed, and of the rest what is there.
struct EnabledFeatures {
  EnabledFeatures(const InstanceFunctions& vk, VkPhysicalDevice device, const CooperativeSupport& cooperative);

  FeatureChain chain;
  CooperativeMatrixFeatures matrices;
  BFloat16Features bfloat16;
  std::vector<const char*> extensions;
};

}  // namespace fovea::vulkan
