#pragma once

#include <functional>
#include <initializer_list>
#include <optional>

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/index_faults.h"
#include "fovea/backends/vulkan/memory.h"
#include "fovea/backends/vulkan/pipelines.h"
#include "fovea/backends/vulkan/recorder.h"
#include "fovea/backends/vulkan/staging.h"

namespace fovea::vulkan {

struct EngineOptions {
  DebugOptions debug;
  /// Whether threads take four elements at once where they can; by itself a software device does not.
  std::optional<bool> vectorise;
  /// The tile of every product, a place in matmul_tiles(). By itself the shape decides.
  std::optional<size_t> matmul_tile;
  /// Whether the tiles of large products are chosen by measuring; by itself on every device but software ones.
  std::optional<bool> measure;
  /// Whether f16 and bf16 products go by cooperative matrices where the device has them and they are right. By itself where
  /// they are faster too, and never on a software device, which computes them element by element.
  std::optional<bool> cooperative;
  /// Whether a recurrent layer runs whole sequences in one launch where it can; by itself device and sizes decide.
  std::optional<bool> recurrent_sequences;
  /// Work per second that a device is taken to do at first; by itself a guess by its kind.
  std::optional<double> speed;
  /// Changes the driver's entry points before they are used: how a test makes a device fail.
  std::function<void(DeviceFunctions&)> stand_in;
};

/// One run of an embedded shader.
struct Launch {
  const ShaderCode& code;
  Constants constants = {};
  const char* name;                          // the operation, for error messages
  const Shape& shape;                        // likewise
  std::initializer_list<const View*> reads;  // null ones are left out
  std::initializer_list<const View*> writes;
  uint64_t groups;  // workgroups in a row; the shader finds its own by linear_group()
  uint32_t groups_z = 1;
  double work = 0;
  uint32_t subgroup = 0;  // the size that all subgroups must have, where it matters
};

class MatmulTuner;
class PreparedCommands;

/// What every kernel of one device stands on: its memory, its pipelines and the commands being recorded.
class Engine {
 public:
  Engine(Backend& backend, const PhysicalDevice& physical, const EngineOptions& options = {});
  ~Engine();

  /// Tells this engine from every other of the process.
  uint64_t serial() const { return serial_; }
  /// Threads of a workgroup that shares nothing, and of one that works on a row together. (A software device runs a
  /// barrier by switching between its threads.)
  uint32_t map_threads() const { return 256; }
  /// How many workgroups of as many threads it takes for `threads`.
  uint64_t groups_for(int64_t threads) const { return divide_up(static_cast<uint64_t>(threads), map_threads()); }
  uint32_t row_threads() const { return physical().is_cpu() ? 64 : 256; }
  /// How many workgroups it takes to keep the device busy.
  int64_t busy_groups() const { return physical().is_cpu() ? 4 : 1024; }
  const EngineOptions& options() const { return options_; }
  bool vectorises() const { return options_.vectorise.value_or(!physical().is_cpu()); }

  const LogicalDevice& device() const { return device_; }
  const PhysicalDevice& physical() const { return device_.physical(); }
  Recorder& recorder() { return recorder_; }
  PipelineTable& pipelines() { return pipelines_; }
  Memory& memory() { return memory_; }
  MatmulTuner& matmul_tuner() { return *matmul_tuner_; }

  /// Throws OutOfMemoryError.
  BufferRef allocate(size_t bytes);
  /// A contiguous view on memory of its own for the time between two launches; `buffer` keeps it.
  View scratch(BufferRef& buffer, DType dtype, const Shape& shape);
  void recycle(VulkanBuffer* buffer) noexcept;
  void write(VulkanBuffer& buffer, size_t offset, const void* source, size_t bytes);
  void read(const VulkanBuffer& buffer, size_t offset, void* destination, size_t bytes);
  void synchronize();
  /// Waits for what was submitted, and leaves what is still being recorded.
  void drain();
  size_t set_cache_limit(size_t limit);
  VulkanCounters counters();
  /// Parameters too large to push, where the kernel that is recorded next finds them.
  uint64_t upload_parameters(std::span<const std::byte> bytes);

  /// Records a shader whose parameters are the bytes of `push`.
  template <class Push>
  void launch(const Launch& launch, const Push& push) {
    static_assert(sizeof(Push) <= push_bytes && std::is_trivially_copyable_v<Push>);
    run(launch, std::as_bytes(std::span(&push, 1)));
  }

  /// While it lives, commands are recorded for `commands` to keep, as are buffers that kernels are done with.
  class Preparing {
   public:
    Preparing(Engine& engine, PreparedCommands& commands) : engine_(engine) { engine_.preparing_ = &commands; }
    ~Preparing() { engine_.preparing_ = nullptr; }
    Preparing(const Preparing&) = delete;
    Preparing& operator=(const Preparing&) = delete;

   private:
    Engine& engine_;
  };

  /// The bytes that a view spans; notes that the open batch uses them.
  AddressRange read_range(const View& view);
  AddressRange write_range(const View& view);
  /// Where a kernel of the call under way notes an index that does not exist; see index_faults.h.
  uint64_t fault_address(const char* kernel) { return index_faults_.address(kernel); }

 private:
  void run(const Launch& launch, std::span<const std::byte> push);
  void note_use(const View& view, bool written);
  AddressRange range_of(const View& view) const;
  void throw_fault();
  void refuse_while_preparing() const;

  uint64_t serial_;
  LogicalDevice device_;
  EngineOptions options_;
  Recorder recorder_;
  Memory memory_;
  PipelineTable pipelines_;
  StagingRing upload_;
  std::unique_ptr<StagingRing> download_;
  IndexFaults index_faults_;
  std::unique_ptr<MatmulTuner> matmul_tuner_;
  PreparedCommands* preparing_ = nullptr;
};

/// The address of a view's first element.
inline uint64_t address_of(const View& view) {
  return view.buffer->address() + static_cast<uint64_t>(view.offset) * size_of(view.dtype);
}
inline uint64_t address_of(const View* view) { return view ? address_of(*view) : 0; }

/// Splits a number of workgroups over the first two axes of a grid, `most` along the first and at most 65535 along the
/// second. Where it is folded so, some of the last row may lie beyond the number.
struct Grid {
  uint32_t x;
  uint32_t y;
};
Grid grid(uint64_t groups, uint32_t most);

}  // namespace fovea::vulkan
