#include "fovea/backends/vulkan/logical_device.h"

#include "fovea/backends/vulkan/features.h"

namespace fovea::vulkan {

// By way of the other constructor, so that the destructor tidies up where a step of this one fails.
LogicalDevice::LogicalDevice(const PhysicalDevice& physical, const std::function<void(DeviceFunctions&)>& stand_in)
    : LogicalDevice(physical, Unopened{}) {
  const EnabledFeatures enabled(instance().vk(), physical.handle, physical.cooperative);
  const float priority = 1;
  auto queue = structure<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.queueFamilyIndex = physical.queue_family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  auto info = structure<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  info.pNext = &enabled.chain.head;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<uint32_t>(enabled.extensions.size());
  info.ppEnabledExtensionNames = enabled.extensions.data();
  check(instance().vk().CreateDevice(physical.handle, &info, nullptr, &handle_), "opening the device");
  vk_ = device_functions(instance().vk(), handle_);
  if (stand_in) stand_in(vk_);
  vk_.GetDeviceQueue(handle_, physical.queue_family, 0, &queue_);

  auto type = structure<VkSemaphoreTypeCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  auto semaphore = structure<VkSemaphoreCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
  semaphore.pNext = &type;
  check(vk_.CreateSemaphore(handle_, &semaphore, nullptr, &timeline_), "making a timeline");

  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes};
  auto layout = structure<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &range;
  check(vk_.CreatePipelineLayout(handle_, &layout, nullptr, &layout_), "making a pipeline layout");
}

LogicalDevice::~LogicalDevice() {
  if (!handle_) return;
  vk_.DeviceWaitIdle(handle_);
  if (layout_) vk_.DestroyPipelineLayout(handle_, layout_, nullptr);
  if (timeline_) vk_.DestroySemaphore(handle_, timeline_, nullptr);
  vk_.DestroyDevice(handle_, nullptr);
}

}  // namespace fovea::vulkan
