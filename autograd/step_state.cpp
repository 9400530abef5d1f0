#include "fovea/autograd/step_state.h"

#include <algorithm>
#include <mutex>

#include "fovea/tensor/tensor.h"

namespace fovea::autograd {
namespace {

std::atomic<uint64_t> changes{0};

thread_local StepMode::Log* current_modes = nullptr;

}  // namespace

uint64_t step_changes() { return changes.load(std::memory_order_relaxed); }
void count_step_change() { changes.fetch_add(1, std::memory_order_relaxed); }

void mark_changed(const TensorImpl& impl, uint64_t kind) {
  if (is_recording()) return;  // a step that freezes and unfreezes does so in every run
  const uint64_t mark = (reinterpret_cast<uintptr_t>(&impl) + kind) * 0x9e3779b97f4a7c15;
  impl.buffer->mark.fetch_xor(static_cast<uint32_t>(mark >> 32), std::memory_order_relaxed);
  count_step_change();
}

void StepMode::set(bool on) {
  if (detail::recordings.load(std::memory_order_relaxed) != 0) note();
  if (on == on_) return;
  on_ = on;
  if (!shared_) return;  // no step has looked at it
  shared_->store(on, std::memory_order_relaxed);
  count_step_change();
}

void StepMode::note() const {
  if (!current_modes || !is_recording()) return;
  static std::mutex mutex;  // two threads may record steps of one module
  const std::scoped_lock lock(mutex);
  if (!shared_) shared_ = std::make_shared<std::atomic<bool>>(on_);
  auto& before = current_modes->before_;
  const auto known =
      std::find_if(before.begin(), before.end(), [this](const auto& each) { return each.first == shared_; });
  if (known == before.end()) before.emplace_back(shared_, on_);
}

StepMode::Log::Scope::Scope(Log& log) : outer_(std::exchange(current_modes, &log)) {}
StepMode::Log::Scope::~Scope() { current_modes = outer_; }

bool StepMode::Log::holds() const {
  return std::all_of(before_.begin(), before_.end(),
                     [](const auto& each) { return each.first->load(std::memory_order_relaxed) == each.second; });
}

}  // namespace fovea::autograd
