#pragma once

#include "fovea/backends/recorded_step.h"

namespace fovea {

/// A span of calls in which a buffer is in use, and where it lies then.
struct PlannedRoom {
  size_t bytes;
  size_t first, last;  // calls, both included
  size_t offset = 0;
};

/// Gives each room an offset such that no two that are in use at once overlap; returns the bytes needed in all.
/// Deterministic: larger rooms first, each at the lowest offset where it fits. No room crosses a multiple of `block`.
/// Throws OutOfMemoryError for one that is larger.
size_t plan_rooms(std::vector<PlannedRoom>& rooms, size_t block = SIZE_MAX);

/// Drops calls whose results nothing reads. Returns how many.
size_t drop_dead_calls(RecordedStep& step);

/// Joins elementwise calls that feed the next one into one program each, which gives the same bits: values pass in
/// registers, and those that nothing else reads are not stored. Returns how many calls went.
size_t merge_maps(RecordedStep& step);

/// Which memory a step uses that others have too: its arguments', and what was there before or stays.
class SharedMemory {
 public:
  explicit SharedMemory(const RecordedStep& step);
  /// Throws ValueError where such arguments share memory with one another, or with what else the step uses, and it would
  /// see through the one what it writes through the other. `own` of them are the function's, the rest gradients, which
  /// are checked where they are not those in `before`.
  void check(const RecordedStep& step, std::span<Buffer* const> arguments, size_t own,
             std::span<Buffer* const> before = {}) const;
  bool writes_argument(size_t place) const { return arguments_[place].written; }
  /// Counts the writes of one run in the versions of the buffers.
  void count_writes(const RecordedStep& step, std::span<Buffer* const> arguments) const;

 private:
  struct Use {
    uint32_t buffer = 0;
    bool written = false;
  };
  std::vector<Use> arguments_, others_;
};

/// Memory for what lives within a step. Plans that run one after another share one.
class StepArena {
 public:
  /// How many bytes lie together at the most: plan_rooms() is to keep rooms within such blocks.
  static size_t block_bytes(const Backend& device);
  /// Makes it hold at least `bytes`. What was in it is lost where it must grow.
  void reserve(Backend& device, size_t bytes);
  /// Changes whenever it grows.
  uint64_t version() const { return version_; }
  /// The block of memory that holds byte `offset`, and which of its bytes that is.
  std::pair<const BufferRef&, size_t> at(size_t offset) const;

 private:
  std::vector<BufferRef> blocks_;  // of block_bytes_ each, but for the last
  size_t block_bytes_ = 0;
  size_t bytes_ = 0;
  uint64_t version_ = 0;
};

/// A recorded step ready to run: nothing dead, neighbours merged, and a place for every buffer.
class StepPlan {
 public:
  StepPlan(RecordedStep step, Backend& device);

  /// What the plan needs for buffers that live within a step.
  size_t bytes() const { return bytes_; }
  size_t calls() const { return step_.calls.size(); }
  size_t dropped() const { return dropped_; }
  size_t merged() const { return merged_; }
  uint64_t numbers() const { return step_.numbers; }

  struct Argument {
    Buffer* buffer;
    int64_t moved;  // elements by which it begins behind where the recorded one did
  };
  /// Runs it, in an arena that grows where it is too small. Results are written into `results`.
  /// Throws ValueError where arguments share memory that makes a difference, see SharedMemory.
  /// The first `own` arguments are the function's, the rest the gradients that it adds to.
  void run(StepArena& arena, std::span<const Argument> arguments, size_t own, std::span<const BufferRef> results);
  /// Whether the tensors in the memory that it finds by itself are to the graph what they were.
  bool marks_hold() const;
  /// Has what the step left in memory `before` put into `fresh` from now on.
  void replace(const Buffer* before, const BufferRef& fresh);

 private:
  /// Calls in a row that do the same in every run, or that do not.
  struct Stretch {
    size_t first, end;
    bool varies;
  };

  void plan();
  void divide();
  void bind(StepArena& arena);
  void prepare();
  void run(const Stretch& stretch);

  RecordedStep step_;
  Backend& device_;
  SharedMemory shared_;
  std::vector<Buffer*> given_, given_before_;   // the arguments of a run, and of the one before
  std::vector<PlannedRoom> rooms_;              // of scratch buffers
  std::vector<uint32_t> room_buffer_;           // whose they are
  std::vector<std::shared_ptr<Buffer>> parts_;  // of the arena, one for each room
  const StepArena* arena_ = nullptr;            // that they are parts of
  uint64_t arena_version_ = 0;
  struct Loose {
    View* view;
    size_t place;
    int64_t offset;  // as recorded
  };
  std::vector<Loose> arguments_, results_;
  std::vector<Stretch> stretches_;
  std::unique_ptr<PreparedKernels> prepared_;  // those that do not vary, in the arena where it is now
  bool asked_ = false;                         // whether the device was asked to prepare them
  bool has_run_ = false;
  size_t bytes_ = 0, dropped_ = 0, merged_ = 0;
};

}  // namespace fovea
