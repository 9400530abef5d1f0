#pragma once

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan_core.h>

#include <string>

namespace fovea::vulkan {

/// One of Vulkan's structures: all zero but for its type and the structure that it leads on to.
template <class Structure>
Structure structure(VkStructureType type, void* next = nullptr) {
  Structure made{};
  made.sType = type;
  made.pNext = next;
  return made;
}

/// Vulkan's entry points before an instance exists.
struct LoaderFunctions {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion = nullptr;
  PFN_vkEnumerateInstanceLayerProperties EnumerateInstanceLayerProperties = nullptr;
  PFN_vkEnumerateInstanceExtensionProperties EnumerateInstanceExtensionProperties = nullptr;
  PFN_vkCreateInstance CreateInstance = nullptr;
};

struct InstanceFunctions {
  PFN_vkDestroyInstance DestroyInstance;
  PFN_vkEnumeratePhysicalDevices EnumeratePhysicalDevices;
  PFN_vkEnumerateDeviceExtensionProperties EnumerateDeviceExtensionProperties;
  PFN_vkGetPhysicalDeviceProperties2 GetPhysicalDeviceProperties2;
  PFN_vkGetPhysicalDeviceFeatures2 GetPhysicalDeviceFeatures2;
  PFN_vkGetPhysicalDeviceMemoryProperties GetPhysicalDeviceMemoryProperties;
  PFN_vkGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties;
  PFN_vkVoidFunction GetPhysicalDeviceCooperativeMatrixPropertiesKHR;  // null without the extension
  PFN_vkCreateDevice CreateDevice;
  PFN_vkGetDeviceProcAddr GetDeviceProcAddr;
  PFN_vkCreateDebugUtilsMessengerEXT CreateDebugUtilsMessengerEXT;    // null without the extension
  PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT;  // null without the extension
};

struct DeviceFunctions {
  PFN_vkDestroyDevice DestroyDevice;
  PFN_vkDeviceWaitIdle DeviceWaitIdle;
  PFN_vkGetDeviceQueue GetDeviceQueue;
  PFN_vkQueueSubmit2 QueueSubmit2;
  PFN_vkCreateSemaphore CreateSemaphore;
  PFN_vkDestroySemaphore DestroySemaphore;
  PFN_vkGetSemaphoreCounterValue GetSemaphoreCounterValue;
  PFN_vkWaitSemaphores WaitSemaphores;
  PFN_vkAllocateMemory AllocateMemory;
  PFN_vkFreeMemory FreeMemory;
  PFN_vkMapMemory MapMemory;
  PFN_vkCreateBuffer CreateBuffer;
  PFN_vkDestroyBuffer DestroyBuffer;
  PFN_vkGetBufferMemoryRequirements GetBufferMemoryRequirements;
  PFN_vkBindBufferMemory BindBufferMemory;
  PFN_vkGetBufferDeviceAddress GetBufferDeviceAddress;
  PFN_vkCreateCommandPool CreateCommandPool;
  PFN_vkDestroyCommandPool DestroyCommandPool;
  PFN_vkResetCommandPool ResetCommandPool;
  PFN_vkAllocateCommandBuffers AllocateCommandBuffers;
  PFN_vkBeginCommandBuffer BeginCommandBuffer;
  PFN_vkEndCommandBuffer EndCommandBuffer;
  PFN_vkCmdBindPipeline CmdBindPipeline;
  PFN_vkCmdPushConstants CmdPushConstants;
  PFN_vkCmdDispatch CmdDispatch;
  PFN_vkCmdExecuteCommands CmdExecuteCommands;
  PFN_vkCmdPipelineBarrier2 CmdPipelineBarrier2;
  PFN_vkCmdCopyBuffer CmdCopyBuffer;
  PFN_vkCmdFillBuffer CmdFillBuffer;
  PFN_vkCmdUpdateBuffer CmdUpdateBuffer;
  PFN_vkCreateQueryPool CreateQueryPool;
  PFN_vkDestroyQueryPool DestroyQueryPool;
  PFN_vkCmdResetQueryPool CmdResetQueryPool;
  PFN_vkCmdWriteTimestamp2 CmdWriteTimestamp2;
  PFN_vkGetQueryPoolResults GetQueryPoolResults;
  PFN_vkCreateShaderModule CreateShaderModule;
  PFN_vkDestroyShaderModule DestroyShaderModule;
  PFN_vkCreatePipelineLayout CreatePipelineLayout;
  PFN_vkDestroyPipelineLayout DestroyPipelineLayout;
  PFN_vkCreatePipelineCache CreatePipelineCache;
  PFN_vkDestroyPipelineCache DestroyPipelineCache;
  PFN_vkGetPipelineCacheData GetPipelineCacheData;
  PFN_vkCreateComputePipelines CreateComputePipelines;
  PFN_vkDestroyPipeline DestroyPipeline;
};

/// The system's Vulkan loader, opened once at run time so that a program starts without it; the reason why it could not
/// be opened is in `problem`.
struct Loader {
  LoaderFunctions vk;
  std::string problem;
};
const Loader& loader();

InstanceFunctions instance_functions(VkInstance instance);
/// Entry points that became core in 1.3 are looked up under their extension's name too.
DeviceFunctions device_functions(const InstanceFunctions& vk, VkDevice device);

/// "VK_ERROR_DEVICE_LOST"; the number for results that are not expected anywhere here.
std::string to_string(VkResult result);

}  // namespace fovea::vulkan
