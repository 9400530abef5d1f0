#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "fovea/backends/kernel_calls.h"

namespace fovea {

struct MemoryStats {
  size_t live = 0;        // bytes handed out now
  size_t peak = 0;        // the most that was handed out at once
  size_t cached = 0;      // bytes kept for reuse
  uint64_t requests = 0;  // allocations asked for
  uint64_t misses = 0;    // those that the cache could not serve
};

/// Kernels that a device keeps ready, see Backend::prepare.
class PreparedKernels {
 public:
  virtual ~PreparedKernels() = default;
  virtual void run(size_t group) = 0;
};

/// What a device can do: a short list of kernels over views. One object per device. Calls are checked by the caller
/// (shapes, dtypes, devices); a kernel that a device lacks throws DeviceError. Work may be deferred; `read` waits for
/// what it needs.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Device device() const = 0;
  virtual std::string description() const = 0;

  /// At least `bytes` bytes (0 is fine), aligned for any kernel, content undefined. Throws OutOfMemoryError.
  virtual BufferRef allocate(size_t bytes) = 0;
  /// Takes a buffer back whose last reference is gone; called by BufferRef alone.
  virtual void recycle(Buffer* buffer) noexcept = 0;
  virtual MemoryStats memory() const = 0;
  /// Bounds the bytes kept for reuse and gives back what is over. Returns the bound before.
  virtual size_t set_cache_limit(size_t bytes) = 0;
  /// Gives back all that is kept for reuse.
  void empty_cache() { set_cache_limit(set_cache_limit(0)); }
  /// The most bytes that one buffer can have.
  virtual size_t largest_allocation() const { return SIZE_MAX; }
  /// A buffer over some of the bytes of another, which must outlive it. Not for a BufferRef to hold.
  virtual std::shared_ptr<Buffer> part(const BufferRef& whole, size_t offset, size_t bytes) {
    return std::make_shared<Buffer>(*this, whole->host() + offset, 0, bytes);
  }

  virtual void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) = 0;
  virtual void read(const Buffer& buffer, size_t offset, void* destination, size_t bytes) = 0;
  /// Waits until all work is done.
  virtual void synchronize() = 0;

  virtual void map(const MapCall&) { lacks("map"); }
  virtual void matmul(const MatmulCall&) { lacks("matmul"); }
  /// Whether products of f32 are computed faster with operands rounded to bf16.
  virtual bool has_bf16_operands() const { return false; }
  virtual void softmax(const SoftmaxCall&) { lacks("softmax"); }
  virtual void softmax_backward(const SoftmaxBackwardCall&) { lacks("softmax_backward"); }
  virtual void layer_norm(const LayerNormCall&) { lacks("layer_norm"); }
  virtual void layer_norm_backward(const LayerNormBackwardCall&) { lacks("layer_norm_backward"); }
  virtual void cross_entropy(const CrossEntropyCall&) { lacks("cross_entropy"); }
  virtual void cross_entropy_backward(const CrossEntropyBackwardCall&) { lacks("cross_entropy_backward"); }
  virtual void gather(const GatherCall&) { lacks("gather"); }
  virtual void scatter_add(const ScatterAddCall&) { lacks("scatter_add"); }
  virtual void bag(const BagCall&) { lacks("bag"); }
  virtual RowSparse bag_backward(const BagBackwardCall&) { lacks("bag_backward"); }
  virtual void band(const BandCall&) { lacks("band"); }
  virtual void scan(const ScanCall&) { lacks("scan"); }
  virtual void arg_reduce(const ArgReduceCall&) { lacks("arg_reduce"); }
  virtual void sort(const SortCall&) { lacks("sort"); }
  virtual void random(const RandomCall&) { lacks("random"); }
  virtual void recurrent(const RecurrentCalls&) { lacks("recurrent"); }
  virtual void recurrent_backward(const RecurrentBackwardCalls&) { lacks("recurrent_backward"); }
  virtual void convolution(const ConvolutionCall&) { lacks("convolution"); }
  virtual void pool(const PoolCall&) { lacks("pool"); }
  virtual void pool_backward(const PoolBackwardCall&) { lacks("pool_backward"); }
  virtual void attention(const AttentionCall&) { lacks("attention"); }
  virtual void attention_backward(const AttentionBackwardCall&) { lacks("attention_backward"); }

  /// Notes the kernels of each group, which run only later, as often as one likes and at little cost: always the same
  /// ones on the same memory, which must stay. They have all run before. Null where the device gains nothing by it.
  virtual std::unique_ptr<PreparedKernels> prepare(std::span<const std::function<void()>> /*groups*/) { return {}; }

 protected:
  [[noreturn]] void lacks(const char* kernel) const;
};

/// The backend of a device, started on first use. Throws DeviceError where it is absent, saying why.
Backend& backend(Device device, Caller caller = {});

/// How many threads kernels may use; at first the number of cores this process may run on. Results do not depend on it.
int num_threads();
void set_num_threads(int threads);

}  // namespace fovea
