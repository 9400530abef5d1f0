#include "fovea/backends/vulkan/loader.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace fovea::vulkan {
namespace {

Loader open_loader() {
  Loader result;
  void* library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    result.problem = "the Vulkan loader (libvulkan.so.1) is not installed";
    return result;
  }
  LoaderFunctions& vk = result.vk;
  vk.GetInstanceProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (!vk.GetInstanceProcAddr) {
    result.problem = "libvulkan.so.1 is no Vulkan loader";
    return result;
  }
  const auto load = [&vk]<class F>(F& function, const char* name) {
    function = reinterpret_cast<F>(vk.GetInstanceProcAddr(nullptr, name));
  };
  load(vk.EnumerateInstanceVersion, "vkEnumerateInstanceVersion");
  load(vk.EnumerateInstanceLayerProperties, "vkEnumerateInstanceLayerProperties");
  load(vk.EnumerateInstanceExtensionProperties, "vkEnumerateInstanceExtensionProperties");
  load(vk.CreateInstance, "vkCreateInstance");
  uint32_t version = 0;
  if (!vk.EnumerateInstanceVersion || vk.EnumerateInstanceVersion(&version) != VK_SUCCESS ||
      version < VK_API_VERSION_1_2)
    result.problem = "the Vulkan loader is older than 1.2";
  return result;
}

}  // namespace

const Loader& loader() {
  static const Loader result = open_loader();
  return result;
}

InstanceFunctions instance_functions(VkInstance instance) {
  InstanceFunctions vk{};
  const auto load = [&]<class F>(F& function, const char* name) {
    function = reinterpret_cast<F>(loader().vk.GetInstanceProcAddr(instance, name));
  };
  load(vk.DestroyInstance, "vkDestroyInstance");
  load(vk.EnumeratePhysicalDevices, "vkEnumeratePhysicalDevices");
  load(vk.EnumerateDeviceExtensionProperties, "vkEnumerateDeviceExtensionProperties");
  load(vk.GetPhysicalDeviceProperties2, "vkGetPhysicalDeviceProperties2");
  load(vk.GetPhysicalDeviceFeatures2, "vkGetPhysicalDeviceFeatures2");
  load(vk.GetPhysicalDeviceMemoryProperties, "vkGetPhysicalDeviceMemoryProperties");
  load(vk.GetPhysicalDeviceQueueFamilyProperties, "vkGetPhysicalDeviceQueueFamilyProperties");
  load(vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  load(vk.CreateDevice, "vkCreateDevice");
  load(vk.GetDeviceProcAddr, "vkGetDeviceProcAddr");
  load(vk.CreateDebugUtilsMessengerEXT, "vkCreateDebugUtilsMessengerEXT");
  load(vk.DestroyDebugUtilsMessengerEXT, "vkDestroyDebugUtilsMessengerEXT");
  return vk;
}

DeviceFunctions device_functions(const InstanceFunctions& instance, VkDevice device) {
  DeviceFunctions vk{};
  const auto load = [&]<class F>(F& function, const char* name, const char* extension_name = nullptr) {
    function = reinterpret_cast<F>(instance.GetDeviceProcAddr(device, name));
    if (!function && extension_name) function = reinterpret_cast<F>(instance.GetDeviceProcAddr(device, extension_name));
  };
  load(vk.DestroyDevice, "vkDestroyDevice");
  load(vk.DeviceWaitIdle, "vkDeviceWaitIdle");
  load(vk.GetDeviceQueue, "vkGetDeviceQueue");
  load(vk.QueueSubmit2, "vkQueueSubmit2", "vkQueueSubmit2KHR");
  load(vk.CreateSemaphore, "vkCreateSemaphore");
  load(vk.DestroySemaphore, "vkDestroySemaphore");
  load(vk.GetSemaphoreCounterValue, "vkGetSemaphoreCounterValue");
  load(vk.WaitSemaphores, "vkWaitSemaphores");
  load(vk.AllocateMemory, "vkAllocateMemory");
  load(vk.FreeMemory, "vkFreeMemory");
  load(vk.MapMemory, "vkMapMemory");
  load(vk.CreateBuffer, "vkCreateBuffer");
  load(vk.DestroyBuffer, "vkDestroyBuffer");
  load(vk.GetBufferMemoryRequirements, "vkGetBufferMemoryRequirements");
  load(vk.BindBufferMemory, "vkBindBufferMemory");
  load(vk.GetBufferDeviceAddress, "vkGetBufferDeviceAddress");
  load(vk.CreateCommandPool, "vkCreateCommandPool");
  load(vk.DestroyCommandPool, "vkDestroyCommandPool");
  load(vk.ResetCommandPool, "vkResetCommandPool");
  load(vk.AllocateCommandBuffers, "vkAllocateCommandBuffers");
  load(vk.BeginCommandBuffer, "vkBeginCommandBuffer");
  load(vk.EndCommandBuffer, "vkEndCommandBuffer");
  load(vk.CmdBindPipeline, "vkCmdBindPipeline");
  load(vk.CmdPushConstants, "vkCmdPushConstants");
  load(vk.CmdDispatch, "vkCmdDispatch");
  load(vk.CmdExecuteCommands, "vkCmdExecuteCommands");
  load(vk.CmdPipelineBarrier2, "vkCmdPipelineBarrier2", "vkCmdPipelineBarrier2KHR");
  load(vk.CmdCopyBuffer, "vkCmdCopyBuffer");
  load(vk.CmdFillBuffer, "vkCmdFillBuffer");
  load(vk.CmdUpdateBuffer, "vkCmdUpdateBuffer");
  load(vk.CreateQueryPool, "vkCreateQueryPool");
  load(vk.DestroyQueryPool, "vkDestroyQueryPool");
  load(vk.CmdResetQueryPool, "vkCmdResetQueryPool");
  load(vk.CmdWriteTimestamp2, "vkCmdWriteTimestamp2", "vkCmdWriteTimestamp2KHR");
  load(vk.GetQueryPoolResults, "vkGetQueryPoolResults");
  load(vk.CreateShaderModule, "vkCreateShaderModule");
  load(vk.DestroyShaderModule, "vkDestroyShaderModule");
  load(vk.CreatePipelineLayout, "vkCreatePipelineLayout");
  load(vk.DestroyPipelineLayout, "vkDestroyPipelineLayout");
  load(vk.CreatePipelineCache, "vkCreatePipelineCache");
  load(vk.DestroyPipelineCache, "vkDestroyPipelineCache");
  load(vk.GetPipelineCacheData, "vkGetPipelineCacheData");
  load(vk.CreateComputePipelines, "vkCreateComputePipelines");
  load(vk.DestroyPipeline, "vkDestroyPipeline");
  return vk;
}

std::string to_string(VkResult result) {
  switch (result) {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_INVALID_SHADER_NV:
      return "VK_ERROR_INVALID_SHADER_NV";
    default:
      return fmt::format("VkResult {}", static_cast<int>(result));
  }
}

}  // namespace fovea::vulkan
