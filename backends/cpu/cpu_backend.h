#pragma once

#include "fovea/backends/backend.h"
#include "fovea/backends/cpu/allocator.h"

namespace fovea::cpu {

/// The processor: Highway kernels on several threads, OpenBLAS for products of f64 and where vectors are short. Every call
/// is done when it returns, and its result does not depend on the number of threads.
class CpuBackend final : public Backend {
 public:
  CpuBackend() : allocator_(*this) {}

  Device device() const override { return Device::cpu(); }
  std::string description() const override;

  BufferRef allocate(size_t bytes) override;
  void recycle(Buffer* buffer) noexcept override { allocator_.recycle(buffer); }
  MemoryStats memory() const override { return allocator_.stats(); }
  size_t set_cache_limit(size_t bytes) override { return allocator_.set_limit(bytes); }

  void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) override;
  void read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) override;
  void synchronize() override {}

  void map(const MapCall& call) override;
  void matmul(const MatmulCall& call) override;
  bool has_bf16_operands() const override;
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

 private:
  Allocator allocator_;
};

}  // namespace fovea::cpu
