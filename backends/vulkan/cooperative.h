#pragma once

#include <optional>
#include <string>

#include "fovea/backends/vulkan/loader.h"
#include "fovea/backends/vulkan/matmul_tiles.h"

// Cooperative matrices: VK_KHR_cooperative_matrix and, for bf16, VK_KHR_shader_bfloat16. Debian's headers are older
// than both, so what is needed of them is declared here, member by member as in the specification.
namespace fovea::vulkan {

struct CooperativeMatrixFeatures {
  VkStructureType sType = static_cast<VkStructureType>(1000506000);
  void* pNext = nullptr;
  VkBool32 cooperativeMatrix = VK_FALSE;
  VkBool32 cooperativeMatrixRobustBufferAccess = VK_FALSE;
};

struct BFloat16Features {
  VkStructureType sType = static_cast<VkStructureType>(1000141000);
  void* pNext = nullptr;
  VkBool32 shaderBFloat16Type = VK_FALSE;
  VkBool32 shaderBFloat16DotProduct = VK_FALSE;
  VkBool32 shaderBFloat16CooperativeMatrix = VK_FALSE;
};

inline constexpr const char* cooperative_extension = "VK_KHR_cooperative_matrix";
inline constexpr const char* bfloat16_extension = "VK_KHR_shader_bfloat16";

/// What a device offers, and why not where it offers nothing.
struct CooperativeSupport {
  std::optional<CooperativeShape> f16, bf16;
  std::string f16_lacks, bf16_lacks;

  const std::optional<CooperativeShape>& of(DType dtype) const { return dtype == DType::f16 ? f16 : bf16; }
  const std::string& lacks(DType dtype) const { return dtype == DType::f16 ? f16_lacks : bf16_lacks; }
};

/// What is asked of a device, as plain data.
struct CooperativeFacts {
  bool extension = false, bf16_extension = false;
  bool feature = false, bf16_feature = false;
  bool in_compute = false;        // cooperative matrices in compute shaders
  bool float16 = false;           // arithmetic in f16
  bool memory_model = false;      // vulkanMemoryModelDeviceScope, of which vulkanMemoryModel is a part
  bool subgroup_control = false;  // full subgroups of a size that is asked for, in compute shaders
  std::vector<CooperativeProperty> properties;
};
CooperativeSupport judge_cooperative(const CooperativeFacts& facts);

CooperativeSupport inspect_cooperative(const InstanceFunctions& vk, VkPhysicalDevice device, uint32_t subgroup_size);

}  // namespace fovea::vulkan
