#include "fovea/autograd/gradient_log.h"

#include <algorithm>

#include "fovea/backends/recording.h"
#include "fovea/tensor/raw.h"

namespace fovea::autograd {
namespace {

constexpr size_t no_argument = SIZE_MAX;

thread_local GradientLog* current = nullptr;

const Buffer* memory_of(const Tensor& gradient) { return gradient.defined() ? gradient.buffer().get() : nullptr; }

}  // namespace

GradientLog::GradientLog(std::span<const Tensor> arguments) {
  for (const Tensor& x : arguments) {
    arguments_.push_back(x.requires_grad() ? leaf_state(*x.impl()) : nullptr);
  }
}

GradientLog::Scope::Scope(GradientLog& log) : outer_(std::exchange(current, &log)) {}
GradientLog::Scope::~Scope() { current = outer_; }

GradientLog::Leaf& GradientLog::find(const std::shared_ptr<LeafState>& leaf, bool read) {
  const auto known = std::find_if(leaves_.begin(), leaves_.end(), [&](const Leaf& each) { return each.state == leaf; });
  if (known != leaves_.end()) return *known;
  const auto argument = std::find(arguments_.begin(), arguments_.end(), leaf);
  const size_t place = argument == arguments_.end() ? no_argument : static_cast<size_t>(argument - arguments_.begin());
  leaves_.push_back({leaf, place, read, memory_of(leaf->grad)});
  return leaves_.back();
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
  };
}

// Whether there is a handle beside those of the leaf and of this log.
bool GradientLog::is_held_elsewhere(const Made& made) const {
  const TensorImpl* impl = made.gradient.impl();
  const bool by_leaf = leaves_[made.leaf].state->grad.impl() == impl;
  return impl->references.load(std::memory_order_relaxed) > 1u + by_leaf;
}

void GradientLog::finish() {
  for (Made& made : made_) {
    if (!made.gradient.defined()) continue;
    made.references = made.gradient.buffer()->references();
    made.stays = !made.gradient.is_contiguous() || is_held_elsewhere(made);
  }
}

bool GradientLog::fits(std::span<const Tensor> arguments) const {
  return std::all_of(leaves_.begin(), leaves_.end(), [&](const Leaf& leaf) {
    if (!leaf.read_first) return true;
    if (leaf.argument == no_argument) return memory_of(leaf.state->grad) == leaf.before;
    return memory_of(arguments[leaf.argument].grad()) == leaf.before;
  });
}

void GradientLog::begin_run(std::span<const Tensor> arguments,
                            const std::function<void(const Buffer*, const BufferRef&)>& replace) {
  for (Leaf& leaf : leaves_) {
    if (leaf.argument != no_argument) leaf.state = leaf_state(*arguments[leaf.argument].impl());
  }
  for (Made& made : made_) {
    if (made.stays || !made.gradient.defined()) continue;
    if (!is_held_elsewhere(made) && made.gradient.buffer()->references() <= made.references) continue;
    const Tensor fresh = raw::empty(made.gradient.shape(), made.gradient.options());
    replace(made.gradient.buffer().get(), fresh.buffer());
    made.gradient = fresh;
    made.references = fresh.buffer()->references();
  }
}

}  // namespace fovea::autograd
