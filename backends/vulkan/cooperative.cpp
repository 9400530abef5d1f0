#include "fovea/backends/vulkan/cooperative.h"

#include "fovea/backends/vulkan/features.h"

namespace fovea::vulkan {
namespace {

struct CooperativeMatrixProperties {
  VkStructureType sType = static_cast<VkStructureType>(1000506001);
  void* pNext = nullptr;
  uint32_t MSize = 0, NSize = 0, KSize = 0;
  uint32_t AType = 0, BType = 0, CType = 0, ResultType = 0;  // VkComponentTypeKHR
  VkBool32 saturatingAccumulation = VK_FALSE;
  uint32_t scope = 0;  // VkScopeKHR
};

struct CooperativeStages {
  VkStructureType sType = static_cast<VkStructureType>(1000506002);
  void* pNext = nullptr;
  VkShaderStageFlags cooperativeMatrixSupportedStages = 0;
};

using ListProperties = VkResult(VKAPI_PTR*)(VkPhysicalDevice, uint32_t*, CooperativeMatrixProperties*);

std::vector<CooperativeProperty> list_properties(const InstanceFunctions& vk, VkPhysicalDevice device) {
  const auto list = reinterpret_cast<ListProperties>(vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR);
  uint32_t count = 0;
  if (!list || list(device, &count, nullptr) != VK_SUCCESS) return {};
  std::vector<CooperativeMatrixProperties> all(count);
  if (list(device, &count, all.data()) != VK_SUCCESS) return {};
  std::vector<CooperativeProperty> properties;
  for (uint32_t i = 0; i < count; ++i) {
    const CooperativeMatrixProperties& p = all[i];
    properties.push_back({p.MSize, p.NSize, p.KSize, p.AType, p.BType, p.CType, p.ResultType,
                          p.saturatingAccumulation == VK_TRUE, p.scope});
  }
  return properties;
}

CooperativeFacts ask(const InstanceFunctions& vk, VkPhysicalDevice device, uint32_t subgroup_size) {
  CooperativeFacts facts;
  const std::vector<VkExtensionProperties> extensions = extensions_of(vk, device);
  facts.extension = contains(extensions, cooperative_extension);
  facts.bf16_extension = contains(extensions, bfloat16_extension);
  if (!facts.extension) return facts;

  CooperativeMatrixFeatures matrices;
  BFloat16Features bfloat16;
  FeatureChain chain;
  chain.maintenance4.pNext = &chain.subgroup_control;
  chain.subgroup_control.pNext = &matrices;
  if (facts.bf16_extension) matrices.pNext = &bfloat16;
  vk.GetPhysicalDeviceFeatures2(device, &chain.head);
  facts.feature = matrices.cooperativeMatrix;
  facts.bf16_feature = bfloat16.shaderBFloat16CooperativeMatrix;
  facts.float16 = chain.v12.shaderFloat16;
  // Other shaders of the device have atomics beyond a workgroup.
  facts.memory_model = chain.v12.vulkanMemoryModel && chain.v12.vulkanMemoryModelDeviceScope;

  CooperativeStages stages;
  auto sizes = structure<VkPhysicalDeviceSubgroupSizeControlProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES, &stages);
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &sizes);
  vk.GetPhysicalDeviceProperties2(device, &properties);
  facts.in_compute = stages.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT;
  facts.subgroup_control = chain.subgroup_control.subgroupSizeControl && chain.subgroup_control.computeFullSubgroups &&
                           (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                           sizes.minSubgroupSize <= subgroup_size && subgroup_size <= sizes.maxSubgroupSize;
  facts.properties = list_properties(vk, device);
  return facts;
}

}  // namespace

CooperativeSupport judge_cooperative(const CooperativeFacts& facts) {
  CooperativeSupport support;
  const auto lacks = [&]() -> std::string {
    if (!facts.extension || !facts.feature) return cooperative_extension;
    if (!facts.in_compute) return "cooperative matrices in compute shaders";
    if (!facts.float16) return "shaderFloat16";
    if (!facts.memory_model) return "vulkanMemoryModelDeviceScope";
    if (!facts.subgroup_control) return "subgroupSizeControl";
    return {};
  }();
  support.f16_lacks = support.bf16_lacks = lacks;
  if (!lacks.empty()) return support;
  support.f16 = choose_cooperative(facts.properties, f16);
  if (!support.f16) support.f16_lacks = "a shape of f16 with f32 sums that fits";
  if (facts.bf16_extension && facts.bf16_feature) support.bf16 = choose_cooperative(facts.properties, bf16);
  if (!support.bf16)
    support.bf16_lacks = facts.bf16_extension ? "a shape of bf16 with f32 sums that fits" : bfloat16_extension;
  return support;
}

CooperativeSupport inspect_cooperative(const InstanceFunctions& vk, VkPhysicalDevice device, uint32_t subgroup_size) {
  return judge_cooperative(ask(vk, device, subgroup_size));
}

}  // namespace fovea::vulkan
