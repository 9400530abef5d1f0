#pragma once

#include <array>
#include <span>
#include <unordered_map>

#include "fovea/backends/vulkan/device_cache.h"
#include "fovea/backends/vulkan/logical_device.h"

namespace fovea::vulkan {

/// A shader's SPIR-V. Those of the folder shaders/ are embedded; fovea/vulkan_shaders.h names them.
struct ShaderCode {
  const char* name;
  std::span<const uint32_t> words;
};

/// The specialisation constants 0, 1, ... of a shader; constant 0 is the number of threads of a workgroup.
using Constants = std::array<uint32_t, 12>;

/// Compute pipelines, made on first use, and the driver's cache of them, which is kept on disk between runs:
/// $XDG_CACHE_HOME/fovea (or ~/.cache/fovea), a file a device and driver.
class PipelineTable {
 public:
  /// `bounds_table`: where checked shaders find their bounds, 0 for shaders as they are.
  explicit PipelineTable(const LogicalDevice& device, uint64_t bounds_table = 0);
  /// Saves the cache.
  ~PipelineTable();
  PipelineTable(const PipelineTable&) = delete;
  PipelineTable& operator=(const PipelineTable&) = delete;

  /// The pipeline of an embedded shader; with `subgroup`, all its subgroups have that size. Throws DeviceError where
  /// the driver refuses it.
  VkPipeline get(const ShaderCode& code, const Constants& constants, uint32_t subgroup = 0);
  /// A pipeline of a shader without constants that the caller remembers; it lives as long as the table.
  VkPipeline make(const ShaderCode& code, const Constants* constants = nullptr, uint32_t subgroup = 0);

  /// Writes the cache to disk where there are new pipelines in it. A disk that refuses costs no more than time.
  void save() noexcept;
  uint64_t count() const { return pipelines_.size(); }

 private:
  struct Key {
    const ShaderCode* code;
    Constants constants;
    uint32_t subgroup;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const noexcept;
  };

  const LogicalDevice& device_;
  uint64_t bounds_table_;
  DeviceCache disk_;
  VkPipelineCache cache_ = nullptr;
  std::unordered_map<Key, VkPipeline, Hash> table_;
  std::vector<VkPipeline> pipelines_;
  size_t saved_ = 0;
};

}  // namespace fovea::vulkan
