#include "fovea/backends/recording.h"

#include <functional>

#include "fovea/backends/recording_kernels.h"

namespace fovea {
namespace {

constinit thread_local RecordingKernels* current = nullptr;

/// Kernels of this thread run unrecorded while it lives.
class Pause {
 public:
  Pause() : before_(std::exchange(current, nullptr)) {}
  ~Pause() { current = before_; }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  RecordingKernels* before_;
};

}  // namespace

namespace detail {

constinit std::atomic<int> recordings{0};

Recorder::Recorder(Backend& device) : backend_(current) {
  if (!current) return;
  current->use(device);
  current = nullptr;
}
Caller move_recording(Caller place) { return current ? current->move_to(place) : place; }

Recorder::~Recorder() {
  if (backend_) current = static_cast<RecordingKernels*>(backend_);
}

}  // namespace detail

Recording::Recording(std::span<const BufferRef> arguments, std::shared_ptr<RandomStart> random,
                     std::function<std::function<void()>()> ahead) {
  kernels_ = std::make_unique<RecordingKernels>(arguments, std::move(random), std::move(ahead));
  current = kernels_.get();
  detail::recordings.fetch_add(1, std::memory_order_relaxed);
}

Recording::~Recording() {
  current = nullptr;
  detail::recordings.fetch_sub(1, std::memory_order_relaxed);
}

RecordedStep Recording::finish(std::span<const BufferRef> results, uint64_t random_end) {
  return kernels_->finish(results, random_end);
}

Backend* Recording::device() const { return kernels_->real(); }

bool is_recording() { return current; }

int64_t give_to_runs(Buffer& buffer) { return current ? current->give(buffer) : -1; }

void each_run(std::function<void()> work) {
  if (!current) return work();
  RecordingKernels& kernels = *current;
  const Pause pause;
  kernels.note_work(std::move(work));
}

void each_rows(Backend& on, const BagBackwardCall& call, std::function<void(RowSparse)> deliver) {
  if (!current) return deliver(on.bag_backward(call));
  RecordingKernels& kernels = *current;
  const Pause pause;
  kernels.rows(call, std::move(deliver));
}

BufferRef recorded_allocation(Backend& device, size_t bytes) {
  if (detail::recordings.load(std::memory_order_relaxed) == 0) return {};
  const detail::Recorder recorder(device);
  return recorder.backend() ? recorder.backend()->allocate(bytes) : BufferRef();
}

bool recorded_write(Backend& device, Buffer& buffer, size_t offset, const void* source, size_t bytes) {
  if (detail::recordings.load(std::memory_order_relaxed) == 0) return false;
  const detail::Recorder recorder(device);
  if (recorder.backend()) recorder.backend()->write(buffer, offset, source, bytes);
  return recorder.backend();
}

void refuse_recorded_read() {
  if (detail::recordings.load(std::memory_order_relaxed) != 0 && current) {
    raise_here<ValueError>("a captured step cannot give values to the host; read them behind it");
  }
}

void detail::refuse_other_device(const char* operation, Backend& device, Caller caller) {
  if (current) current->use(device, operation, caller);
}

bool recorded_custom(const CustomCall& call, Device device) {
  if (!current) return false;
  RecordingKernels& kernels = *current;
  const Pause pause;
  kernels.custom(call, device);
  return true;
}

void refuse_while_recording(const char* what, Caller caller) {
  if (!current) return;
  raise<ValueError>(caller, "{}: a captured step cannot give values to the host; read them behind it", what);
}

}  // namespace fovea
