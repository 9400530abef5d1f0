#include "fovea/backends/vulkan/pipelines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fovea/backends/vulkan/cache_file.h"

namespace fovea::vulkan {
namespace {

std::string hexadecimal(const uint8_t (&uuid)[VK_UUID_SIZE]) { return fmt::format("{:02x}", fmt::join(uuid, "")); }

// What a cache depends on; a driver checks its own data again.
std::string cache_key(const PhysicalDevice& device) {
  return fmt::format("{:x} {:x} {:x} {} {}", device.vendor, device.device, device.driver_version,
                     hexadecimal(device.driver_uuid), hexadecimal(device.cache_uuid));
}

}  // namespace

size_t PipelineTable::Hash::operator()(const Key& key) const noexcept {
  uint64_t hash = reinterpret_cast<uintptr_t>(key.code);
  for (uint32_t constant : key.constants) hash = (hash ^ constant) * 0x9e3779b97f4a7c15ull + (hash >> 29);
  return hash;
}

PipelineTable::PipelineTable(const LogicalDevice& device) : device_(device) {
  const PhysicalDevice& physical = device.physical();
  std::vector<std::byte> data;
  if (const std::filesystem::path folder = cache_folder(); !folder.empty()) {
    // A software driver's code depends on the vector width that it was told, which its UUIDs do not show.
    file_ = folder / fmt::format("vulkan-{:04x}-{:04x}-{}-{}.bin", physical.vendor, physical.device,
                                 hexadecimal(physical.driver_uuid), physical.subgroup_size);
    data = read_cache(file_, cache_key(physical));
  }
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  check(device_.vk().CreatePipelineCache(device_.handle(), &info, nullptr, &cache_), "making a pipeline cache");
}

PipelineTable::~PipelineTable() {
  save();
  for (VkPipeline pipeline : pipelines_) device_.vk().DestroyPipeline(device_.handle(), pipeline, nullptr);
  device_.vk().DestroyPipelineCache(device_.handle(), cache_, nullptr);
}

VkPipeline PipelineTable::get(const ShaderCode& code, const Constants& constants) {
  const auto [entry, fresh] = table_.try_emplace(Key{&code, constants}, nullptr);
  if (fresh || !entry->second) entry->second = make(code, &constants);
  return entry->second;
}

VkPipeline PipelineTable::make(const ShaderCode& code, const Constants* constants) {
  const DeviceFunctions& vk = device_.vk();
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = code.words.size_bytes();
  module_info.pCode = code.words.data();
  VkShaderModule module = nullptr;
  const std::string what = fmt::format("making the shader '{}' ready", code.name);
  check(vk.CreateShaderModule(device_.handle(), &module_info, nullptr, &module), what.c_str());

  std::array<VkSpecializationMapEntry, Constants{}.size()> entries;
  for (uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, 4 * i, 4};
  VkSpecializationInfo specialization{};
  if (constants)
    specialization = {static_cast<uint32_t>(entries.size()), entries.data(), sizeof *constants, constants->data()};
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = constants ? &specialization : nullptr;
  info.layout = device_.layout();
  VkPipeline pipeline = nullptr;
  const VkResult result = vk.CreateComputePipelines(device_.handle(), cache_, 1, &info, nullptr, &pipeline);
  vk.DestroyShaderModule(device_.handle(), module, nullptr);
  check(result, what.c_str());
  pipelines_.push_back(pipeline);
  return pipeline;
}

void PipelineTable::save() noexcept {
  if (file_.empty() || pipelines_.size() == saved_) return;
  try {
    size_t size = 0;
    if (device_.vk().GetPipelineCacheData(device_.handle(), cache_, &size, nullptr) != VK_SUCCESS) return;
    std::vector<std::byte> data(size);
    if (device_.vk().GetPipelineCacheData(device_.handle(), cache_, &size, data.data()) != VK_SUCCESS) return;
    data.resize(size);
    if (write_cache(file_, cache_key(device_.physical()), data)) saved_ = pipelines_.size();
  } catch (const std::exception&) {
    // Without a cache the next start is slower, no more.
  }
}

}  // namespace fovea::vulkan
