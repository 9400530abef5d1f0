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
/// Deterministic: larger rooms first, each at the lowest offset where it fits.
size_t plan_rooms(std::vector<PlannedRoom>& rooms, size_t alignment = 64);

/// Drops calls whose results nothing reads. Returns how many.
size_t drop_dead_calls(RecordedStep& step);

/// Joins elementwise calls that feed the next one into one program each, which gives the same bits: values pass in
/// registers, and those that nothing else reads are not stored. Returns how many calls went.
size_t merge_maps(RecordedStep& step);

/// A recorded step ready to run: nothing dead, neighbours merged, and a place for every buffer.
class StepPlan {
 public:
  StepPlan(RecordedStep step, Backend& device);

  /// What the plan needs for buffers that live within a step. They lie in one block where the device lets the host
  /// address it, else in blocks that several buffers use one after the other.
  size_t bytes() const { return bytes_; }
  size_t calls() const { return step_.calls.size(); }
  size_t dropped() const { return dropped_; }
  size_t merged() const { return merged_; }
  uint64_t numbers() const { return step_.numbers; }

  /// Gives it memory of at least bytes(), which other plans may use between its runs. On devices whose memory the host
  /// cannot address the plan has its own, and `arena` is ignored.
  void bind(const BufferRef& arena);

  struct Argument {
    Buffer* buffer;
    int64_t moved;  // elements by which it begins behind where the recorded one did
  };
  /// Runs it. Results are written into `results`.
  void run(std::span<const Argument> arguments, std::span<const BufferRef> results);

 private:
  /// Calls in a row that do the same in every run, or that do not.
  struct Stretch {
    size_t first, end;
    bool varies;
  };

  void plan();
  void own_blocks();
  void divide();
  void prepare();
  void run(const Stretch& stretch);

  RecordedStep step_;
  Backend& device_;
  BufferRef arena_;
  std::deque<Buffer> parts_;           // of the arena
  std::vector<BufferRef> blocks_;      // where there is no arena
  std::vector<PlannedRoom> rooms_;     // of scratch buffers
  std::vector<uint32_t> room_buffer_;  // whose they are
  struct Loose {
    View* view;
    size_t place;
    int64_t offset;  // as recorded
  };
  std::vector<Loose> arguments_, results_;
  std::vector<Stretch> stretches_;
  std::unique_ptr<PreparedKernels> prepared_;  // those that do not vary
  uint64_t runs_ = 0;
  size_t bytes_ = 0, dropped_ = 0, merged_ = 0;
};

}  // namespace fovea
