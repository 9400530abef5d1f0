#pragma once

#include <atomic>
#include <span>

#include "fovea/backends/recorded_step.h"

namespace fovea {

class RecordingKernels;

/// While it lives, this thread's kernels are noted in a RecordedStep as they run. What would make a step differ from its
/// recording is refused with a ValueError: values read by the host, random numbers of a generator other than the one
/// whose state `random` shows, a second device.
class Recording {
 public:
  /// `arguments` are the buffers that every run is given anew. `ahead`, asked before the host's work and at the end, gives
  /// what each run has to do first, which is no kernel, or null.
  Recording(std::span<const BufferRef> arguments, std::shared_ptr<RandomStart> random,
            std::function<std::function<void()>()> ahead);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Ends it. `results` are the buffers that every run gives back.
  RecordedStep finish(std::span<const BufferRef> results, uint64_t random_end);
  /// Whose kernels they were; null where there were none.
  Backend* device() const;

 private:
  std::unique_ptr<RecordingKernels> kernels_;
};

/// Whether this thread's kernels are being recorded.
bool is_recording();

/// Has every run of the step that is being recorded be given this memory anew, as arguments are. Returns its place among
/// what runs are given, or -1 where the step has used it already.
int64_t give_to_runs(Buffer& buffer);

namespace detail {

/// How many threads are recording.
extern constinit std::atomic<int> recordings;

/// Takes over the recording of this thread, if it has one, so that what runs meanwhile is not noted.
class Recorder {
 public:
  explicit Recorder(Backend& device);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  Backend* backend() const { return backend_; }

 private:
  Backend* backend_;
};

/// Makes `place` the user's line that this thread's recorded kernels belong to; returns the one before.
Caller move_recording(Caller place);

}  // namespace detail

/// While it lives, kernels that are recorded belong to the operation of this place in the user's source.
class RecordedPlace {
 public:
  explicit RecordedPlace(Caller place) {
    if (detail::recordings.load(std::memory_order_relaxed) == 0) return;
    moved_ = true;
    before_ = detail::move_recording(place);
  }
  ~RecordedPlace() {
    if (moved_) detail::move_recording(before_);
  }
  RecordedPlace(const RecordedPlace&) = delete;
  RecordedPlace& operator=(const RecordedPlace&) = delete;

 private:
  bool moved_ = false;
  Caller before_{"", 0};
};

/// How a backend's kernels come to be recorded: each begins with `if (recorded(*this, &Backend::map, call)) return;`.
/// True where the call is done and noted.
template <class Call>
bool recorded(Backend& device, void (Backend::*kernel)(const Call&), const Call& call) {
  if (detail::recordings.load(std::memory_order_relaxed) == 0) return false;
  const detail::Recorder recorder(device);
  if (recorder.backend()) (recorder.backend()->*kernel)(call);
  return recorder.backend();
}
/// The same of memory; null where nothing is recorded.
BufferRef recorded_allocation(Backend& device, size_t bytes);
bool recorded_write(Backend& device, Buffer& buffer, size_t offset, const void* source, size_t bytes);
struct CustomCall;
/// The same of a kernel of the user's own.
bool recorded_custom(const CustomCall& call, Device device);
/// Throws ValueError where a step is being recorded: its values are not there yet.
void refuse_recorded_read();

/// Does `work`, and again in every run of the step that is being recorded, if one is: what the host does in each step.
/// Its kernels are not recorded; buffers that it holds keep their memory.
void each_run(std::function<void()> work);

/// Hands the result of bag_backward to `deliver`, in each run anew.
void each_rows(Backend& on, const BagBackwardCall& call, std::function<void(RowSparse)> deliver);

namespace detail {
void refuse_other_device(const char* operation, Backend& device, Caller caller);
}
/// Throws ValueError where the step that is being recorded runs on another device than this, which `operation` uses.
inline void check_recorded_device(const char* operation, Backend& device, Caller caller) {
  if (detail::recordings.load(std::memory_order_relaxed) != 0) detail::refuse_other_device(operation, device, caller);
}

/// Throws ValueError where a step is being recorded, which the host cannot look into: `what` is "item".
void refuse_while_recording(const char* what, Caller caller);

}  // namespace fovea
