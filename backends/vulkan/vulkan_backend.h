#pragma once

#include <mutex>

#include "fovea/backends/custom.h"
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
  size_t set_cache_limit(size_t bytes) override;
  size_t largest_allocation() const override;
  std::shared_ptr<Buffer> part(const BufferRef& whole, size_t offset, size_t bytes) override;
  void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) override;
  void read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) override;
  void synchronize() override;
  std::unique_ptr<PreparedKernels> prepare(std::span<const std::function<void()>> groups) override;

  void map(const MapCall& call) override;
  void matmul(const MatmulCall& call) override;
  void softmax(const SoftmaxCall& call) override;
  void softmax_backward(const SoftmaxBackwardCall& call) override;
  void layer_norm(const LayerNormCall& call) override;
  void layer_norm_backward(const LayerNormBackwardCall& call) override;
  void cross_entropy(const CrossEntropyCall& call) override;
  void cross_entropy_backward(const CrossEntropyBackwardCall& call) override;
  void gather(const GatherCall& call) override;
  void scatter_add(const ScatterAddCall& call) override;
  void bag(const BagCall& call) override;
  RowSparse bag_backward(const BagBackwardCall& call) override;
  void band(const BandCall& call) override;
  void scan(const ScanCall& call) override;
  void arg_reduce(const ArgReduceCall& call) override;
  void sort(const SortCall& call) override;
  void random(const RandomCall& call) override;
  void recurrent(const RecurrentCalls& calls) override;
  void recurrent_backward(const RecurrentBackwardCalls& calls) override;
  void convolution(const ConvolutionCall& call) override;
  void pool(const PoolCall& call) override;
  void pool_backward(const PoolBackwardCall& call) override;
  void attention(const AttentionCall& call) override;
  void attention_backward(const AttentionBackwardCall& call) override;

  Engine& engine() { return engine_; }
  void custom(const CustomCall& call);
  VulkanCounters counters();
  std::vector<std::string> notes() const;
  /// Waits for what was submitted; what was not is left undone.
  void drain() noexcept;
  /// Waits and saves what should outlive the process.
  void finish() noexcept;

 private:
  // Calls come back while one is under way: a kernel's scratch buffers are recycled.
  using Lock = std::lock_guard<std::recursive_mutex>;
  class Prepared;

  int index_;
  mutable std::recursive_mutex mutex_;
  mutable Engine engine_;
};

}  // namespace fovea::vulkan
