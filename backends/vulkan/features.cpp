#include "fovea/backends/vulkan/features.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace fovea::vulkan {
std::vector<VkExtensionProperties> extensions_of(const InstanceFunctions& vk, VkPhysicalDevice device) {
  uint32_t count = 0;
  vk.EnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vk.EnumerateDeviceExtensionProperties(device, nullptr, &count, extensions.data());
  return extensions;
}

bool contains(const std::vector<VkExtensionProperties>& extensions, const char* name) {
  return std::any_of(extensions.begin(), extensions.end(), [&](const VkExtensionProperties& extension) {
    return std::strcmp(extension.extensionName, name) == 0;
  });
}

FeatureChain::FeatureChain() {
  head.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
  v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
  v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
  synchronization2.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES;
  subgroup_control.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES;
  maintenance4.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES;
  head.pNext = &v11;
  v11.pNext = &v12;
  v12.pNext = &synchronization2;
  synchronization2.pNext = &maintenance4;
}

std::string what_is_missing(const InstanceFunctions& vk, VkPhysicalDevice device,
                            const VkPhysicalDeviceProperties& properties) {
  if (properties.apiVersion < VK_API_VERSION_1_2)
    return fmt::format("it has Vulkan {}.{} where 1.2 is needed", VK_API_VERSION_MAJOR(properties.apiVersion),
                       VK_API_VERSION_MINOR(properties.apiVersion));
  FeatureChain have;
  vk.GetPhysicalDeviceFeatures2(device, &have.head);
  std::vector<std::string> missing;
  const auto need = [&](VkBool32 there, const char* name) {
    if (!there) missing.emplace_back(name);
  };
  need(have.head.features.shaderInt64, "shaderInt64");
  need(have.v11.storageBuffer16BitAccess, "storageBuffer16BitAccess");
  need(have.v12.storageBuffer8BitAccess, "storageBuffer8BitAccess");
  need(have.v12.bufferDeviceAddress, "bufferDeviceAddress");
  need(have.v12.timelineSemaphore, "timelineSemaphore");
  need(have.v12.scalarBlockLayout, "scalarBlockLayout");
  need(have.synchronization2.synchronization2, "synchronization2");
  need(have.maintenance4.maintenance4, "maintenance4");
  need(properties.limits.maxPushConstantsSize >= 128, "128 bytes of push constants");
  need(properties.limits.maxComputeWorkGroupInvocations >= 256, "256 threads a workgroup");
  need(properties.limits.maxComputeSharedMemorySize >= 16384, "16 KiB of shared memory");
  return missing.empty() ? std::string() : fmt::format("it lacks {}", fmt::join(missing, ", "));
}

EnabledFeatures::EnabledFeatures(const InstanceFunctions& vk, VkPhysicalDevice device,
                                 const CooperativeSupport& cooperative) {
  FeatureChain have;
  vk.GetPhysicalDeviceFeatures2(device, &have.head);
  chain.head.features.shaderInt64 = VK_TRUE;
  chain.head.features.shaderInt16 = have.head.features.shaderInt16;
  chain.v11.storageBuffer16BitAccess = VK_TRUE;
  chain.v12.storageBuffer8BitAccess = VK_TRUE;
  chain.v12.bufferDeviceAddress = VK_TRUE;
  chain.v12.timelineSemaphore = VK_TRUE;
  chain.v12.scalarBlockLayout = VK_TRUE;
  chain.v12.shaderFloat16 = have.v12.shaderFloat16;
  chain.v12.shaderInt8 = have.v12.shaderInt8;
  chain.synchronization2.synchronization2 = VK_TRUE;
  chain.maintenance4.maintenance4 = VK_TRUE;

  const std::vector<VkExtensionProperties> there = extensions_of(vk, device);
  // Part of Vulkan 1.3; a 1.2 device has them by name.
  for (const char* name : {VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME, VK_KHR_MAINTENANCE_4_EXTENSION_NAME}) {
    if (contains(there, name)) extensions.push_back(name);
  }

  if (!cooperative.f16 && !cooperative.bf16) return;
  chain.v12.vulkanMemoryModel = chain.v12.vulkanMemoryModelDeviceScope = VK_TRUE;
  chain.subgroup_control.subgroupSizeControl = VK_TRUE;
  chain.subgroup_control.computeFullSubgroups = VK_TRUE;
  chain.maintenance4.pNext = &chain.subgroup_control;
  matrices.cooperativeMatrix = VK_TRUE;
  chain.subgroup_control.pNext = &matrices;
  extensions.push_back(cooperative_extension);
  if (contains(there, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
    extensions.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
  if (!cooperative.bf16) return;
  bfloat16.shaderBFloat16Type = bfloat16.shaderBFloat16CooperativeMatrix = VK_TRUE;
  matrices.pNext = &bfloat16;
  extensions.push_back(bfloat16_extension);
}

}  // namespace fovea::vulkan
