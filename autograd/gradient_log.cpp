#include "fovea/autograd/gradient_log.h"

#include <algorithm>
#include <mutex>

#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea::autograd {
namespace {

constexpr size_t no_argument = SIZE_MAX;

thread_local GradientLog* current = nullptr;

/// All that there are: steps that run in turns hold each other's gradients, for their next runs.
struct Logs {
  std::mutex mutex;
  std::vector<const GradientLog*> all;
};
Logs& logs() {
  static Logs* const made = new Logs;  // steps that are static may die last
  return *made;
}

bool have_one_layout(const View& a, const View& b) {
  return a.dtype == b.dtype && a.offset == b.offset && a.shape == b.shape && a.strides == b.strides;
}

}  // namespace

GradientLog::GradientLog(std::span<const Tensor> arguments) : owner_(std::this_thread::get_id()) {
  for (const Tensor& x : arguments) {
    arguments_.push_back(x.requires_grad() ? leaf_state(*x.impl()) : nullptr);
  }
}

GradientLog::~GradientLog() {
  const std::lock_guard lock(logs().mutex);
  std::erase(logs().all, this);
}

GradientLog::Scope::Scope(GradientLog& log) : outer_(std::exchange(current, &log)) {}
GradientLog::Scope::~Scope() { current = outer_; }

GradientLog::Leaf& GradientLog::find(const std::shared_ptr<LeafState>& leaf, bool read) {
  const auto known = std::find_if(leaves_.begin(), leaves_.end(), [&](const Leaf& each) { return each.state == leaf; });
  if (known != leaves_.end()) return *known;
  const auto argument = std::find(arguments_.begin(), arguments_.end(), leaf);
  const size_t place = argument == arguments_.end() ? no_argument : static_cast<size_t>(argument - arguments_.begin());
  leaves_.push_back({leaf, place, read, {}, -1});
  Leaf& added = leaves_.back();
  if (!read || !leaf->grad.defined()) return added;
  added.before = leaf->grad.view();
  added.impl = leaf->grad.impl();
  added.held = leaf->grad.buffer();
  added.place = give_to_runs(*added.held);
  return added;
}

void GradientLog::read(const std::shared_ptr<LeafState>& leaf) {
  if (current && is_recording()) current->find(leaf, true);
}

void GradientLog::changed(const std::shared_ptr<LeafState>& leaf) {
  if (current && is_recording()) current->find(leaf, false).changed = true;
}

std::function<void()> GradientLog::changes() {
  std::vector<size_t> changes;  // in made_
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (!std::exchange(leaves_[i].changed, false)) continue;
    const Tensor& gradient = leaves_[i].state->grad;
    changes.push_back(made_.size());
    made_.push_back({i, gradient.defined() && gradient.impl()->grad_fn ? gradient.detach() : gradient});
  }
  if (changes.empty()) return {};
  return [this, changes = std::move(changes)] {
    for (size_t change : changes) leaves_[made_[change].leaf].state->grad = made_[change].gradient;
    delivered_ = changes.back() + 1;
  };
}

// Whether there is a handle beside those of the leaf and of this log.
bool GradientLog::is_held_elsewhere(const Made& made) const {
  const TensorImpl* impl = made.gradient.impl();
  const bool by_leaf = leaves_[made.leaf].state->grad.impl() == impl;
  return impl->references.value() > 1u + by_leaf;
}

// Whether the gradient that the leaf had before is known to more than the leaf and this thread's captured steps.
bool GradientLog::is_held_elsewhere(const Leaf& leaf) const {
  const bool still = leaf.state->grad.impl() == leaf.impl;
  uint32_t handles = still, references = 1u + still;
  const auto count = [&](const GradientLog& log, bool planned) {
    for (const Made& made : log.made_) {
      if (!made.gradient.defined() || made.gradient.impl() != leaf.impl) continue;
      ++handles;
      if (planned) references = std::max(references, made.references + 1);
    }
  };
  count(*this, false);
  for (const GradientLog* other : logs().all) {
    if (other->owner_.load(std::memory_order_relaxed) == owner_.load(std::memory_order_relaxed)) count(*other, true);
  }
  return leaf.held->references() > references || (still && leaf.impl->references.value() > handles);
}

void GradientLog::finish() {
  const std::lock_guard lock(logs().mutex);
  std::vector<int64_t> places;
  for (Leaf& leaf : leaves_) {
    // One that the step made and forgot, as where it differentiates by what it computed: another one in each run.
    if (leaf.argument == no_argument && !leaf.before.buffer && leaf.state.use_count() == 1) leaf.read_first = false;
    if (leaf.place >= 0) places.push_back(leaf.place);
    if (leaf.held && leaf.place >= 0 && !is_held_elsewhere(leaf)) leaf.held = {};
  }
  std::sort(places.begin(), places.end());
  given_ = static_cast<size_t>(std::unique(places.begin(), places.end()) - places.begin());
  for (Made& made : made_) {
    if (!made.gradient.defined()) continue;
    made.references = made.gradient.buffer()->references();
    made.stays = !made.gradient.is_contiguous() || is_held_elsewhere(made);
  }
  logs().all.push_back(this);
}

const Tensor& GradientLog::gradient_of(const Leaf& leaf, std::span<const Tensor> arguments) const {
  static const Tensor none;
  if (leaf.argument == no_argument) return leaf.state->grad;
  const auto& state = arguments[leaf.argument].impl()->leaf;
  return state ? state->grad : none;
}

bool GradientLog::fits(std::span<const Tensor> arguments) const {
  const auto fit = [&](const Leaf& leaf) {
    if (!leaf.read_first) return true;
    const Tensor& now = gradient_of(leaf, arguments);
    if (!now.defined() || !leaf.before.buffer) return !now.defined() && !leaf.before.buffer;
    const Buffer* memory = now.buffer().get();
    if (memory == leaf.before.buffer) return have_one_layout(now.view(), leaf.before);
    if (leaf.held || !have_one_layout(now.view(), leaf.before)) return false;
    // Those that lay apart must do so again, and those that lay together.
    const bool written_by_host = std::any_of(made_.begin(), made_.end(), [memory](const Made& made) {
      return made.stays && made.gradient.defined() && made.gradient.buffer().get() == memory;
    });
    return !written_by_host && std::all_of(leaves_.begin(), leaves_.end(), [&](const Leaf& other) {
      if (!other.read_first || !other.before.buffer) return true;
      const Tensor& beside = gradient_of(other, arguments);
      return !beside.defined() || (beside.buffer().get() == memory) == (other.place == leaf.place);
    });
  };
  return std::all_of(leaves_.begin(), leaves_.end(), fit);
}

void GradientLog::begin_run(std::span<const Tensor> arguments,
                            const std::function<void(const Buffer*, const BufferRef&)>& replace,
                            const std::function<void(size_t, const BufferRef&)>& give) {
  if (owner_.load(std::memory_order_relaxed) != std::this_thread::get_id()) {
    const std::lock_guard lock(logs().mutex);  // which the thread of before may be reading
    owner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  delivered_ = 0;
  for (Leaf& leaf : leaves_) {
    if (leaf.argument != no_argument) leaf.state = leaf_state(*arguments[leaf.argument].impl());
    if (leaf.place < 0) continue;
    const BufferRef& memory = leaf.state->grad.buffer();
    leaf.before.buffer = memory.get();
    give(static_cast<size_t>(leaf.place), memory);
  }
  const auto is_given = [&](const Buffer* memory) {
    return given_ > 0 && std::any_of(leaves_.begin(), leaves_.end(), [memory](const Leaf& leaf) {
             return leaf.place >= 0 && leaf.before.buffer == memory;
           });
  };
  for (Made& made : made_) {
    if (made.stays || !made.gradient.defined()) continue;
    if (!is_given(made.gradient.buffer().get()) && !is_held_elsewhere(made) &&
        made.gradient.buffer()->references() <= made.references) {
      continue;
    }
    const Tensor fresh = raw::empty(made.gradient.shape(), made.gradient.options());
    replace(made.gradient.buffer().get(), fresh.buffer());
    made.gradient = fresh;
    made.references = fresh.buffer()->references();
  }
}

void GradientLog::abandon_run() {
  std::vector<bool> has_new(leaves_.size());
  for (size_t i = 0; i < made_.size(); ++i) {
    const Leaf& leaf = leaves_[made_[i].leaf];
    if (i < delivered_) has_new[made_[i].leaf] = true;
    if (!leaf.read_first && !has_new[made_[i].leaf]) leaf.state->grad = {};
  }
}

}  // namespace fovea::autograd
