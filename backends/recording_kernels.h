#pragma once

#include <unordered_map>

#include "fovea/backends/custom.h"
#include "fovea/backends/recorded_step.h"

namespace fovea {

/// The backend that stands in for a device while a step is recorded: it runs each kernel there and notes it.
class RecordingKernels final : public Backend {
 public:
  RecordingKernels(std::span<const BufferRef> arguments, std::shared_ptr<RandomStart> random,
                   std::function<std::function<void()>()> ahead);

  /// The device that a kernel is asked of; a step has one. Throws ValueError, which names `operation`, for a second.
  void use(Backend& device, const char* operation = "capture", Caller caller = ErrorScope::caller({"", 0}));
  Backend* real() const { return device_; }
  /// See give_to_runs().
  int64_t give(Buffer& buffer);
  /// The operation that kernels belong to from here on; returns the one before.
  Caller move_to(Caller place) { return std::exchange(place_, place); }
  /// Does it and notes it.
  void note_work(std::function<void()> work);
  void rows(const BagBackwardCall& call, std::function<void(RowSparse)> deliver);
  void custom(const CustomCall& call, Device device);
  RecordedStep finish(std::span<const BufferRef> results, uint64_t random_end);

  Device device() const override { return device_->device(); }
  std::string description() const override { return device_->description(); }
  BufferRef allocate(size_t bytes) override;
  void recycle(Buffer* buffer) noexcept override { device_->recycle(buffer); }
  MemoryStats memory() const override { return device_->memory(); }
  size_t set_cache_limit(size_t bytes) override { return device_->set_cache_limit(bytes); }
  void write(Buffer& buffer, size_t offset, const void* source, size_t bytes) override;
  void read(const Buffer&, size_t, void*, size_t) override;
  void synchronize() override { device_->synchronize(); }

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
  struct Attention;
  /// A buffer that the step made and that is in use as far as is known.
  class Made {
   public:
    Made(uint32_t id, const BufferRef& buffer) : id_(id), buffer_(buffer) { buffer_->watched = true; }
    Made(Made&&) noexcept = default;
    Made& operator=(Made&& other) noexcept {
      std::swap(id_, other.id_);
      std::swap(buffer_, other.buffer_);
      return *this;
    }
    ~Made() {
      if (buffer_) buffer_->watched = false;
    }
    uint32_t id() const { return id_; }
    const BufferRef& buffer() const { return buffer_; }
    bool is_dead() const { return buffer_->references() == 1; }

   private:
    uint32_t id_;
    BufferRef buffer_;
  };

  uint32_t buffer(Buffer* buffer);
  const View* keep(const View& view);
  const View* reads(const View& view);
  const View* reads(const View* view) { return view ? reads(*view) : nullptr; }
  const View* writes(const View& view);
  const View* writes(const View* view) { return view ? writes(*view) : nullptr; }
  const View* updates(const View& view);
  const Program* keep(const Program& program);
  /// Takes numbers into the signature of the call that is noted next.
  void sign(std::initializer_list<double> numbers);
  void sign(const WindowSteps& steps);
  uint64_t draw(const char* name, uint64_t seed, uint64_t offset, int64_t numbers);
  Attention attention_views(const AttentionCall& call, bool forward);
  RecurrentCall recurrent_views(const RecurrentCall& call, bool forward);
  RecordedCall& note(const char* name, std::initializer_list<double> numbers, std::function<void(Backend&)> run);
  void drop_dead();

  Backend* device_ = nullptr;
  std::shared_ptr<RandomStart> random_;
  std::function<std::function<void()>()> ahead_;
  RecordedStep step_;
  std::unordered_map<const Buffer*, uint32_t> known_;
  std::unordered_map<const Program*, const Program*> programs_;
  std::vector<Made> made_;
  std::vector<uint32_t> pending_reads_, pending_writes_;
  uint64_t pending_signature_ = 0;
  size_t given_ = 0;         // places among what every run is given
  Caller place_{"", 0};      // of the operation whose backward runs, where one does
  Caller operation_{"", 0};  // of the one that was checked last, for the kernel that follows
  uint64_t drawn_ = 0;       // numbers of the generator's counters up to here are used
};

}  // namespace fovea
