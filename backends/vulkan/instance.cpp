#include "fovea/backends/vulkan/instance.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>

#include "fovea/backends/vulkan/features.h"

namespace fovea::vulkan {
namespace {

constexpr const char* validation_layer = "VK_LAYER_KHRONOS_validation";

struct MessageLog {
  std::mutex mutex;
  std::vector<std::string> messages;
};
MessageLog& message_log() {
  static MessageLog log;
  return log;
}

// Best practices speak of much that is a matter of taste: only their errors count.
VKAPI_ATTR VkBool32 VKAPI_CALL note_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                            VkDebugUtilsMessageTypeFlagsEXT,
                                            const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  const std::string_view name = data->pMessageIdName ? data->pMessageIdName : "";
  const bool advice = name.find("BestPractices") != std::string_view::npos;
  if (advice && severity != VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) return VK_FALSE;
  MessageLog& log = message_log();
  std::lock_guard lock(log.mutex);
  if (log.messages.size() < 1000) log.messages.emplace_back(data->pMessage);
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info() {
  return {.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
          .pNext = nullptr,
          .flags = 0,
          .messageSeverity =
              VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
          .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
          .pfnUserCallback = note_message,
          .pUserData = nullptr};
}

bool has_layer(const char* name) {
  const LoaderFunctions& vk = loader().vk;
  uint32_t count = 0;
  vk.EnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vk.EnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

bool validation_wanted() {
  const char* wish = std::getenv("FOVEA_VULKAN_VALIDATION");
  return wish && std::string_view(wish) == "1";
}

const char* type_name(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "cpu";
    default:
      return "other";
  }
}

int preference(const PhysicalDevice& device) {
  const std::string_view order[] = {"discrete", "integrated", "virtual", "cpu", "other"};
  const int place = static_cast<int>(std::find(std::begin(order), std::end(order), device.about.type) - order);
  return place + (device.about.unfit.empty() ? 0 : 100);
}

std::string version_text(uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

std::string cooperative_text(const CooperativeSupport& support, DType dtype) {
  const std::optional<CooperativeShape>& shape = support.of(dtype);
  return shape ? fmt::format("{} x {} x {}", shape->m, shape->n, shape->k) : "none: it lacks " + support.lacks(dtype);
}

}  // namespace

void check(VkResult result, const char* what) {
  if (result >= VK_SUCCESS) return;
  const std::string text = fmt::format("vulkan: {}: {}", what, to_string(result));
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY) throw OutOfMemoryError(text);
  throw DeviceError(text);
}

// By way of the other constructor, so that the destructor tidies up where a step of this one fails.
Instance::Instance() : Instance(validation_wanted()) {
  uint32_t count = 0;
  check(vk_.EnumeratePhysicalDevices(handle_, &count, nullptr), "listing devices");
  std::vector<VkPhysicalDevice> handles(count);
  check(vk_.EnumeratePhysicalDevices(handle_, &count, handles.data()), "listing devices");
  for (VkPhysicalDevice handle : handles) devices_.push_back(inspect(handle));
  std::stable_sort(devices_.begin(), devices_.end(),
                   [](const auto& a, const auto& b) { return preference(a) < preference(b); });
  int index = 0;
  for (PhysicalDevice& device : devices_) {
    if (device.about.unfit.empty()) device.about.index = index++;
  }
}

Instance::Instance(bool validate) {
  if (!loader().problem.empty()) throw DeviceError("vulkan: " + loader().problem);
  if (validate && !has_layer(validation_layer))
    throw DeviceError("vulkan: FOVEA_VULKAN_VALIDATION is set but the validation layer is not installed");
  const VkApplicationInfo application{.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                      .pNext = nullptr,
                                      .pApplicationName = "fovea",
                                      .applicationVersion = 1,
                                      .pEngineName = "fovea",
                                      .engineVersion = 1,
                                      .apiVersion = VK_API_VERSION_1_3};
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  const VkValidationFeatureEnableEXT enabled[] = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
                                                  VK_VALIDATION_FEATURE_ENABLE_BEST_PRACTICES_EXT};
  const VkValidationFeaturesEXT features{.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                         .pNext = nullptr,
                                         .enabledValidationFeatureCount = 2,
                                         .pEnabledValidationFeatures = enabled,
                                         .disabledValidationFeatureCount = 0,
                                         .pDisabledValidationFeatures = nullptr};
  VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info();
  messenger.pNext = &features;
  auto info = structure<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  if (validate) {
    info.pNext = &messenger;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &validation_layer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
  }
  const VkResult result = loader().vk.CreateInstance(&info, nullptr, &handle_);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) throw DeviceError("vulkan: no Vulkan driver is installed");
  check(result, "creating an instance");
  vk_ = instance_functions(handle_);
  if (validate) {
    messenger = messenger_info();
    check(vk_.CreateDebugUtilsMessengerEXT(handle_, &messenger, nullptr, &messenger_), "creating a messenger");
  }
}

Instance::~Instance() {
  if (messenger_) vk_.DestroyDebugUtilsMessengerEXT(handle_, messenger_, nullptr);
  if (handle_) vk_.DestroyInstance(handle_, nullptr);
}

PhysicalDevice Instance::inspect(VkPhysicalDevice handle) const {
  PhysicalDevice device;
  device.handle = handle;

  // A structure that a device does not know it leaves as it is.
  auto buffers =
      structure<VkPhysicalDeviceMaintenance4Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES);
  auto allocation = structure<VkPhysicalDeviceMaintenance3Properties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, &buffers);
  auto floats = structure<VkPhysicalDeviceFloatControlsProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES, &allocation);
  auto driver =
      structure<VkPhysicalDeviceDriverProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, &floats);
  auto subgroup =
      structure<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, &driver);
  auto ids = structure<VkPhysicalDeviceIDProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, &subgroup);
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &ids);
  vk_.GetPhysicalDeviceProperties2(handle, &properties);

  const VkPhysicalDeviceProperties& core = properties.properties;
  device.type = core.deviceType;
  device.vendor = core.vendorID;
  device.device = core.deviceID;
  device.driver_version = core.driverVersion;
  std::copy(std::begin(ids.driverUUID), std::end(ids.driverUUID), device.driver_uuid);
  std::copy(std::begin(core.pipelineCacheUUID), std::end(core.pipelineCacheUUID), device.cache_uuid);
  device.subgroup_size = subgroup.subgroupSize;
  device.workgroup_threads =
      std::min(core.limits.maxComputeWorkGroupInvocations, core.limits.maxComputeWorkGroupSize[0]);
  device.most_groups = core.limits.maxComputeWorkGroupCount[0];
  device.shared_bytes = core.limits.maxComputeSharedMemorySize;
  device.timestamp_nanoseconds = core.limits.timestampPeriod;
  device.max_allocation = allocation.maxMemoryAllocationSize;
  device.max_buffer = buffers.maxBufferSize > 0 ? buffers.maxBufferSize : device.max_allocation;
  device.preserves_nan = floats.shaderSignedZeroInfNanPreserveFloat32;

  device.about.name = core.deviceName;
  device.about.type = type_name(core.deviceType);
  device.about.driver = fmt::format("{} {}", driver.driverName, driver.driverInfo);
  device.about.api = version_text(core.apiVersion);
  device.about.largest_allocation = device.max_allocation;
  device.about.shared_memory = device.shared_bytes;
  device.about.workgroup_threads = device.workgroup_threads;
  device.about.subgroup = device.subgroup_size;

  VkPhysicalDeviceMemoryProperties memory;
  vk_.GetPhysicalDeviceMemoryProperties(handle, &memory);
  for (uint32_t heap = 0; heap < memory.memoryHeapCount; ++heap) {
    if (memory.memoryHeaps[heap].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      device.about.memory = std::max<uint64_t>(device.about.memory, memory.memoryHeaps[heap].size);
  }

  uint32_t count = 0;
  vk_.GetPhysicalDeviceQueueFamilyProperties(handle, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vk_.GetPhysicalDeviceQueueFamilyProperties(handle, &count, families.data());
  // A queue that does compute alone does not compete with the desktop.
  const auto find = [&](VkQueueFlags with, VkQueueFlags without) {
    return std::find_if(families.begin(), families.end(), [&](const VkQueueFamilyProperties& family) {
      return (family.queueFlags & with) == with && !(family.queueFlags & without);
    });
  };
  auto family = find(VK_QUEUE_COMPUTE_BIT, VK_QUEUE_GRAPHICS_BIT);
  if (family == families.end()) family = find(VK_QUEUE_COMPUTE_BIT, 0);
  if (family == families.end()) {
    device.about.unfit = "it has no compute queue";
    return device;
  }
  device.queue_family = static_cast<uint32_t>(family - families.begin());
  device.timestamp_bits = family->timestampValidBits;
  device.about.unfit = what_is_missing(vk_, handle, core);
  if (device.about.unfit.empty()) {
    device.cooperative = inspect_cooperative(vk_, handle, device.subgroup_size);
    device.about.cooperative_f16 = cooperative_text(device.cooperative, f16);
    device.about.cooperative_bf16 = cooperative_text(device.cooperative, bf16);
  }
  return device;
}

Instance& instance() {
  // Never destroyed: tensors with static lifetime may outlive every other static object.
  static Instance& result = *std::make_unique<Instance>().release();
  return result;
}

}  // namespace fovea::vulkan

namespace fovea {

VulkanDevices list_vulkan_devices() {
  VulkanDevices result;
  try {
    for (const vulkan::PhysicalDevice& device : vulkan::instance().devices()) result.devices.push_back(device.about);
    if (result.devices.empty()) result.problem = "no Vulkan driver reports a device";
  } catch (const Error& error) {
    result.problem = error.what();
  }
  return result;
}

std::vector<std::string> vulkan_validation_messages() {
  vulkan::MessageLog& log = vulkan::message_log();
  std::lock_guard lock(log.mutex);
  return log.messages;
}

}  // namespace fovea
