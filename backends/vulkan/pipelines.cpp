#include "fovea/backends/vulkan/pipelines.h"

#include <fmt/format.h>

#include "fovea/backends/cache_file.h"
#include "fovea/backends/vulkan/bounds.h"

namespace fovea::vulkan {

size_t PipelineTable::Hash::operator()(const Key& key) const noexcept {
  uint64_t hash = reinterpret_cast<uintptr_t>(key.code) + key.subgroup;
  for (uint32_t constant : key.constants) hash = (hash ^ constant) * 0x9e3779b97f4a7c15ull + (hash >> 29);
  return hash;
}

PipelineTable::PipelineTable(const LogicalDevice& device, uint64_t bounds_table)
    : device_(device), bounds_table_(bounds_table), disk_(device_cache(device.physical(), "vulkan")) {
  std::vector<std::byte> data;
  if (!disk_.file.empty()) data = read_cache(disk_.file, disk_.key);
  auto info = structure<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  check(device_.vk().CreatePipelineCache(device_.handle(), &info, nullptr, &cache_), "making a pipeline cache");
}

PipelineTable::~PipelineTable() {
  save();
  for (VkPipeline pipeline : pipelines_) device_.vk().DestroyPipeline(device_.handle(), pipeline, nullptr);
  device_.vk().DestroyPipelineCache(device_.handle(), cache_, nullptr);
}

VkPipeline PipelineTable::get(const ShaderCode& code, const Constants& constants, uint32_t subgroup) {
  const auto [entry, fresh] = table_.try_emplace(Key{&code, constants, subgroup}, nullptr);
  if (fresh || !entry->second) entry->second = make(code, &constants, subgroup);
  return entry->second;
}

VkPipeline PipelineTable::make(const ShaderCode& code, const Constants* constants, uint32_t subgroup) {
  const DeviceFunctions& vk = device_.vk();
  auto module_info = structure<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  std::vector<uint32_t> checked;
  if (bounds_table_) checked = with_bounds_checks(code.words, bounds_table_);
  const std::span<const uint32_t> words = bounds_table_ ? checked : code.words;
  module_info.codeSize = words.size_bytes();
  module_info.pCode = words.data();
  VkShaderModule module = nullptr;
  const std::string what = fmt::format("making the shader '{}' ready", code.name);
  check(vk.CreateShaderModule(device_.handle(), &module_info, nullptr, &module), what.c_str());

  std::array<VkSpecializationMapEntry, Constants{}.size()> entries;
  for (uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, 4 * i, 4};
  VkSpecializationInfo specialization{};
  if (constants)
    specialization = {static_cast<uint32_t>(entries.size()), entries.data(), sizeof *constants, constants->data()};
  auto info = structure<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = constants ? &specialization : nullptr;
  auto whole = structure<VkPipelineShaderStageRequiredSubgroupSizeCreateInfo>(
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO);
  whole.requiredSubgroupSize = subgroup;
  if (subgroup) {
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    info.stage.pNext = &whole;
  }
  info.layout = device_.layout();
  VkPipeline pipeline = nullptr;
  const VkResult result = vk.CreateComputePipelines(device_.handle(), cache_, 1, &info, nullptr, &pipeline);
  vk.DestroyShaderModule(device_.handle(), module, nullptr);
  check(result, what.c_str());
  pipelines_.push_back(pipeline);
  return pipeline;
}

void PipelineTable::save() noexcept {
  if (disk_.file.empty() || pipelines_.size() == saved_) return;
  try {
    size_t size = 0;
    if (device_.vk().GetPipelineCacheData(device_.handle(), cache_, &size, nullptr) != VK_SUCCESS) return;
    std::vector<std::byte> data(size);
    if (device_.vk().GetPipelineCacheData(device_.handle(), cache_, &size, data.data()) != VK_SUCCESS) return;
    data.resize(size);
    if (write_cache(disk_.file, disk_.key, data)) saved_ = pipelines_.size();
  } catch (const std::exception&) {
    // Without a cache the next start is slower, no more.
  }
}

}  // namespace fovea::vulkan
