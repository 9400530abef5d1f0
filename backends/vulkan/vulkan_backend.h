#pragma once

#include <mutex>

#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {

/// The backend of one device: takes calls from any thread, one at a time, and hands them to its engine.
class VulkanBackend final : public Backend {
 public:
  VulkanBackend(int index, const PhysicalDevice& physical, const EngineOptions& options = {});

  fovea::Device device() const override { return fovea::Device::vulkan(index_); }
  std::string description() const override;
  BufferRef allocate(size_t bytes) override;
  void recycle(Buffer* buffer) noexcept override;
  MemoryStats memory() const override;
  void set_cache_limit(size_t bytes) override;
  void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) override;
  void read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) override;
  void synchronize() override;

  void map(const MapCall& call) override;

  VulkanCounters counters();
  /// Waits and saves what should outlive the process.
  void finish() noexcept;

 private:
  // Calls come back while one is under way: a kernel's scratch buffers are recycled.
  using Lock = std::lock_guard<std::recursive_mutex>;

  int index_;
  mutable std::recursive_mutex mutex_;
  mutable Engine engine_;
};

}  // namespace fovea::vulkan
