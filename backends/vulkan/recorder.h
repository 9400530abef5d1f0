#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fovea/backends/shape.h"
#include "fovea/backends/vulkan.h"
#include "fovea/backends/vulkan/bounds_watch.h"
#include "fovea/backends/vulkan/hazards.h"
#include "fovea/backends/vulkan/logical_device.h"

namespace fovea::vulkan {

/// How a device is watched while a fault is looked for.
struct DebugOptions {
  bool barriers = false;  // a barrier before every command, whatever the hazard tracker says
  bool poison = false;    // freed memory is filled with NaN
  bool bounds = false;    // shaders check every address; see bounds_watch.h
};

/// One kernel's run over a grid of workgroups.
struct Dispatch {
  const char* name;  // of static life, for error messages
  Shape shape;       // likewise
  VkPipeline pipeline;
  std::span<const std::byte> push;  // at most push_bytes
  uint32_t groups_x;
  uint32_t groups_y = 1;
  uint32_t groups_z = 1;
  std::span<const AddressRange> reads;
  std::span<const AddressRange> writes;
  double work = 0;  // floating-point operations, or bytes where those are more
};

/// What a command is part of, for error messages.
struct Operation {
  const char* name;  // of static life
  Shape shape;
};

/// Commands in the order in which they were recorded, into one of Vulkan's command buffers.
struct CommandStream {
  VkCommandBuffer handle = nullptr;
  VkPipeline bound = nullptr;
  HazardTracker hazards;
  size_t count = 0;
  double work = 0;
  Operation last{};
  bool copies = false;      // since the last barrier
  bool copies_wait = true;  // for all that came before the last barrier

  void clear();
};

/// Commands that were recorded once and can be run many times.
struct CommandList {
  /// A stretch that a batch takes whole.
  struct Part {
    CommandStream stream;
    std::vector<AddressRange> reads, writes;  // all that it touches
    uint64_t dispatches = 0;
    uint64_t barriers = 0;
    bool copies = false;
  };
  VkCommandPool pool = nullptr;
  std::deque<Part> parts;
};

/// Work per second as far as it is known once a batch of `commands` was done: what was believed (`rate`), corrected by a
/// quarter. A batch may have been slow for other reasons than its work, so it lowers the rate only where it ran long, and
/// longer than it takes to start its commands; and never below `least`.
double learned_rate(double rate, double least, double work, double seconds, size_t commands);

/// Records commands and submits them in batches, in order, on one queue. A batch is named by the value that the
/// device's timeline reaches when it is done.
class Recorder {
 public:
  /// `speed`: the work per second to begin with, where it is not to be guessed.
  Recorder(const LogicalDevice& device, DebugOptions debug, std::optional<double> speed = {});
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void dispatch(const Dispatch& dispatch);
  void copy(VkBuffer from, uint64_t from_offset, uint64_t from_address, VkBuffer to, uint64_t to_offset,
            uint64_t to_address, uint64_t bytes);
  /// Fills whole words.
  void fill(VkBuffer buffer, uint64_t offset, uint64_t address, uint64_t bytes, uint32_t word);

  /// Submits what is recorded so far; what is recorded from here to end_list() is kept in `list` and not run.
  void begin_list(CommandList& list);
  void end_list();
  /// Ends it where something failed meanwhile; the list is only to be freed.
  void abandon_list() noexcept;
  bool in_list() const { return list_; }
  /// Runs a list and returns the batch that its last commands are in. What it uses must be where it was.
  uint64_t execute(const CommandList& list);
  /// Returns the list's memory; the device must be done with it.
  void free(CommandList& list) noexcept;

  /// Notes in `times` when everything recorded so far is done.
  void mark(VkQueryPool times, uint32_t query);

  /// The batch that is being recorded.
  uint64_t open_batch() const { return submitted_ + 1; }
  /// The last batch that the device has finished.
  uint64_t completed();
  /// Submits what is recorded.
  void flush();
  /// Waits until `batch` is done, submitting it first where it is still open. Throws DeviceError where the device is
  /// lost or does not answer, naming the last operations.
  void wait(uint64_t batch);

  /// "matmul [3, 4]": what was recorded last, or "nothing".
  std::string last_operation() const;
  /// Null unless DebugOptions::bounds.
  BoundsWatch* watch() { return watch_.get(); }

  VulkanCounters& counters() { return counters_; }
  /// Work that a single dispatch should not exceed, lest a driver's watchdog takes the device for hung.
  double work_budget() const { return rate_ * 0.1; }

 private:
  struct Batch {
    VkCommandPool pool = nullptr;
    VkQueryPool times = nullptr;
    uint64_t value = 0;
    CommandStream stream;
    // What was recorded before the first of the two time stamps, if it was written.
    struct Start {
      double work;
      size_t count;
    };
    std::optional<Start> timed;
  };
  enum class Command : uint8_t { kernel, copy };

  VkCommandPool make_pool(VkCommandPoolCreateFlags flags);
  VkCommandBuffer make_commands(VkCommandPool pool, VkCommandBufferLevel level);
  void begin();
  void begin_part();
  void end_part();
  void await(uint64_t batch);
  void retire(Batch& batch);
  void before_command(Command command, const Operation& operation, double work, std::span<const AddressRange> reads,
                      std::span<const AddressRange> writes);
  void start_clock(double work);
  bool is_idle();
  bool poll(uint64_t batch);
  void after_command(double work, size_t count = 1);
  void barrier(Command next);
  void barrier(bool copies, VkPipelineStageFlags2 also_stage, VkAccessFlags2 also_access);
  void expect(VkResult result, const char* what);
  std::string last_operations() const;

  const LogicalDevice& device_;
  const DeviceFunctions& vk_;
  DebugOptions debug_;
  std::unique_ptr<BoundsWatch> watch_;
  std::vector<Batch> batches_;  // a ring
  size_t current_ = 0;
  CommandStream* open_ = nullptr;  // what is recorded into, if anything is: the current batch or the list's last part
  CommandList* list_ = nullptr;
  uint64_t submitted_ = 0;
  uint64_t completed_ = 0;
  uint64_t submits_since_wait_ = 0;
  double rate_;        // work per second, measured
  double least_rate_;  // what it may fall to
  std::string lost_;
  VulkanCounters counters_;
};

}  // namespace fovea::vulkan
