#include "fovea/autograd/engine.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "fovea/autograd/gradient_log.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/backends/recording.h"

namespace fovea::autograd {
namespace {

thread_local const Node* running = nullptr;
thread_local std::vector<uint64_t> active;  // the passes that this thread is in

// Threads may give gradients to one leaf. A few locks for all of them: those of different leaves seldom meet.
std::mutex& lock_of(const TensorImpl& leaf) {
  static std::array<std::mutex, 64> locks;
  return locks[reinterpret_cast<uintptr_t>(&leaf) * uint64_t{0x9e3779b97f4a7c15} >> 58];
}

/// Makes a node the one that runs while it lives.
class Running {
 public:
  explicit Running(const Node& node) : outer_(std::exchange(running, &node)) {}
  ~Running() { running = outer_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  const Node* outer_;
};

/// A node's needs in words of 64 bits.
class NeedBits {
 public:
  explicit NeedBits(size_t inputs) : more_(inputs == 0 ? 0 : (inputs - 1) / 64) {}
  void set(size_t input) { (input < 64 ? first_ : more_[input / 64 - 1]) |= uint64_t{1} << input % 64; }
  Needs needs() const { return {first_, more_}; }

 private:
  uint64_t first_ = 0;
  std::vector<uint64_t> more_;
};

/// Whether a leaf's gradient grows in place, as an optimizer that holds it expects.
bool changes_in_place(const Tensor& sum) { return sum.defined() && !sum.requires_grad() && sum.is_contiguous(); }

/// Whether a sum may be changed in place, since nobody else sees it.
bool is_ours(const Tensor& sum) {
  return sum.defined() && sum.impl()->references.value() == 1 && sum.buffer().unique() && sum.is_contiguous();
}

}  // namespace

bool have_one_form(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && &a.backend() == &b.backend();
}

std::string form_beside(const Tensor& x, const Tensor& other) {
  return fmt::format("{} {}{}", x.dtype(), x.shape(),
                     &x.backend() == &other.backend() ? "" : " on " + to_string(x.device()));
}

Engine::Engine(BackwardOptions options, Caller caller) : options_(options), caller_(ErrorScope::caller(caller)) {
  static std::atomic<uint64_t> passes{0};
  pass_ = passes.fetch_add(1, std::memory_order_relaxed) + 1;
  active.push_back(pass_);
}

Engine::~Engine() { active.pop_back(); }

void Engine::capture(const std::vector<Tensor>& inputs, Capture how) {
  capturing_ = true;
  strict_ = how.strict;
  stop_ = how.stop;
  captured.resize(inputs.size());
  for (const Tensor& leaf : how.known) known_.insert(leaf.impl());
  for (size_t i = 0; i < inputs.size(); ++i) {
    TensorImpl* impl = inputs[i].impl();
    if (impl && impl->grad_fn) {
      node_captures_[impl->grad_fn.get()].push_back({impl->output_index, i});
    } else if (impl) {
      leaf_captures_[impl].push_back(i);
    }
  }
}

void Engine::run(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients) {
  std::vector<NodeRef> roots;
  for (const Tensor& output : outputs) {
    if (output.impl()->grad_fn && !is_end(output.impl()->grad_fn)) roots.push_back(output.impl()->grad_fn);
  }
  for (const NodeRef& root : roots) discover(root);
  for (const Tensor& output : outputs) {
    if (!output.impl()->grad_fn && output.requires_grad()) await(output);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (const NodeRef& node = outputs[i].impl()->grad_fn) {
      deliver_to_node(node, outputs[i].impl()->output_index, gradients[i]);
    } else if (outputs[i].requires_grad()) {
      deliver_to_leaf(outputs[i], gradients[i]);
    }
  }
  // In the order of the outputs, on which the order of sums depends.
  std::unordered_set<const Node*> seen;
  for (NodeRef& root : roots) {
    if (seen.insert(root.get()).second && root->pending_ == 0) ready_.push_back(std::move(root));
  }
  while (!ready_.empty()) {
    const NodeRef node = std::move(ready_.back());
    ready_.pop_back();
    execute(*node.get());
  }
}

void Engine::enter(Node& node) {
  if (node.forgotten_) {
    raise<AutogradError>(
        caller_,
        "backward: the graph of {} was freed by an earlier pass; use retain_graph, or detach() what is "
        "carried over from before it (a recurrent state, say)",
        node.name());
  }
  if (node.pass_ != 0 && std::find(active.begin(), active.end(), node.pass_) != active.end()) {
    raise<AutogradError>(caller_,
                         "backward: a pass that is still running uses the graph of {}; a hook or a backward function "
                         "differentiates a graph of its own, from detached tensors",
                         node.name());
  }
  node.pass_ = pass_;
  node.pending_ = 0;
  node.useful_ = !capturing_ || node_captures_.contains(&node);
  node.gradient_ = {};
  node.gradients_.clear();
}

void Engine::discover(const NodeRef& root) {
  struct Frame {
    Node* node;
    size_t next;
  };
  std::vector<Frame> stack;
  const auto visit = [&](Node* node) {
    enter(*node);
    stack.push_back({node, 0});
  };
  if (root->pass_ != pass_) visit(root.get());
  while (!stack.empty()) {
    const std::span<Edge> edges = stack.back().node->edges();
    if (stack.back().next == edges.size()) {
      Node& done = *stack.back().node;
      for (Edge& edge : edges) {
        if (!wants(edge)) continue;
        done.useful_ = true;
        if (!edge.node) {
          await(edge.leaf);
        } else if (!is_end(edge.node)) {
          ++edge.node->pending_;
        }
      }
      stack.pop_back();
      continue;
    }
    const Edge& edge = edges[stack.back().next++];
    if (edge.node && !is_end(edge.node) && edge.node->pass_ != pass_) visit(edge.node.get());
  }
}

bool Engine::wants(const Edge& edge) const {
  if (edge.node) return is_end(edge.node) || edge.node->useful_;
  return edge.leaf.defined() && (strict_ || wants_leaf(edge.leaf));
}

void Engine::deliver_to_node(const NodeRef& node, uint32_t output, const Tensor& gradient) {
  if (is_end(node)) {
    for (const auto& [captured_output, i] : node_captures_[node.get()]) {
      if (captured_output == output) add(captured[i], gradient);
    }
  } else if (node->outputs_ == 1) {
    add(node->gradient_, gradient);
  } else {
    node->gradients_.resize(node->outputs_);
    add(node->gradients_[output], gradient);
  }
}

void Engine::add(Tensor& sum, const Tensor& gradient) const {
  if (!sum.defined()) {
    sum = gradient;
  } else if (options_.create_graph) {
    sum = sum + gradient;
  } else if (is_ours(sum)) {
    raw::accumulate(sum, gradient);
  } else {
    sum = sum + gradient;
  }
}

void Engine::await(const Tensor& leaf) {
  if (!strict_ && leaf.impl()->leaf && !leaf.impl()->leaf->hooks.empty()) ++hooked_[leaf.impl()].awaited;
}

void Engine::deliver_to_leaf(const Tensor& leaf, Tensor gradient) {
  if (!hooked_.empty()) {
    if (const auto found = hooked_.find(leaf.impl()); found != hooked_.end()) {
      HookedLeaf& waiting = found->second;
      if (gradient.defined()) add(waiting.sum, gradient);
      gradient = {};
      if (--waiting.awaited > 0 || !waiting.sum.defined()) return;
      gradient = std::move(waiting.sum);
      run_hooks(leaf.impl()->leaf->hooks, 0, gradient, "a leaf");
    }
  }
  if (gradient.defined()) settle(leaf, std::move(gradient));
}

void Engine::settle(const Tensor& leaf, Tensor gradient) {
  TensorImpl& impl = *leaf.impl();
  if (capturing_) {
    const auto found = leaf_captures_.find(&impl);
    if (found != leaf_captures_.end()) {
      for (size_t i : found->second) add(captured[i], gradient);
    } else if (strict_ && !known_.contains(&impl)) {
      raise<AutogradError>(caller_,
                           "checkpoint: the function uses a leaf of shape {} that stands in neither inputs "
                           "nor parameters",
                           leaf.shape());
    }
    return;
  }
  const std::lock_guard lock(lock_of(impl));
  Tensor& sum = leaf_state(impl)->grad;
  GradientLog::read(impl.leaf);
  if (sum.defined()) {
    if (!options_.create_graph && changes_in_place(sum)) {
      raw::accumulate(sum, gradient);
      ++sum.buffer()->version;
    } else {
      GradientLog::changed(impl.leaf);
      add(sum, gradient);
    }
    return;
  }
  GradientLog::changed(impl.leaf);
  // A gradient that something else still holds (a saved value, another leaf's) must not become this leaf's own.
  sum = is_ours(gradient) ? std::move(gradient) : options_.create_graph ? gradient.clone() : raw::clone(gradient);
}

void Engine::run_hooks(const std::vector<Hook>& hooks, uint32_t output, Tensor& gradient, const char* of) const {
  const std::vector<Hook> stable = hooks;  // a hook may remove itself
  for (const Hook& hook : stable) {
    if (hook.output != output) continue;
    Tensor replaced = hook.function(gradient);
    if (!replaced.defined()) continue;
    if (!have_one_form(replaced, gradient)) {
      raise<AutogradError>(caller_, "backward: a hook of {} gave {} for a gradient {}", of,
                           form_beside(replaced, gradient), form_beside(gradient, replaced));
    }
    gradient = std::move(replaced);
  }
}

bool Engine::receive(Node& node, std::span<Tensor> gradients) {
  bool any = false;
  for (uint32_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) continue;
    any = true;
    if (!node.hooks.empty()) run_hooks(node.hooks, i, gradients[i], node.name());
  }
  if (!capturing_) return any;
  if (const auto found = node_captures_.find(&node); found != node_captures_.end()) {
    for (const auto& [output, i] : found->second) {
      if (gradients[output].defined()) add(captured[i], gradients[output]);
    }
  }
  return any;
}

void Engine::call_backward(Node& node, std::span<const Tensor> gradients, Needs needs,
                           std::span<Tensor> results) const {
  {
    const Running now(node);
    const RecordedPlace place(node.where());
    node.backward(gradients, needs, results);
  }
  if (!anomaly_enabled()) return;
  for (const Tensor& result : results) check_for_nan(result, node.name(), node.where(), "gradient");
}

bool Engine::accumulate(Node& node, const Tensor& gradient) const {
  if (!node.accumulates() || node.edges().size() != 1 || options_.create_graph || anomaly_enabled()) return false;
  const Edge& edge = node.edges()[0];
  const auto add_to = [&](const Tensor& sum) {
    const Running now(node);
    const RecordedPlace place(node.where());
    node.accumulate(gradient, sum);
    return true;
  };
  if (edge.node) {
    Node& next = *edge.node.get();
    if (is_end(edge.node)) return false;
    if (next.outputs_ == 1) return is_ours(next.gradient_) && add_to(next.gradient_);
    return edge.index < next.gradients_.size() && is_ours(next.gradients_[edge.index]) &&
           add_to(next.gradients_[edge.index]);
  }
  TensorImpl& leaf = *edge.leaf.impl();
  if (capturing_ || hooked_.contains(&leaf)) return false;
  const std::lock_guard lock(lock_of(leaf));
  const Tensor& sum = leaf_state(leaf)->grad;
  GradientLog::read(leaf.leaf);
  if (!changes_in_place(sum) || sum.buffer().get() == gradient.buffer().get()) return false;
  ++sum.buffer()->version;
  return add_to(sum);
}

void Engine::send_on(Node& node, Needs needs, std::span<Tensor> results) {
  const std::span<Edge> edges = node.edges();
  for (size_t i = 0; i < edges.size(); ++i) {
    if (!needs[i]) continue;
    Edge& edge = edges[i];
    if (!edge.node) {
      if (results[i].defined() && !have_one_form(results[i], edge.leaf)) {
        raise<AutogradError>(node.where(), "{}: its backward made {} for input {}, a leaf {}", node.name(),
                             form_beside(results[i], edge.leaf), i, form_beside(edge.leaf, results[i]));
      }
      deliver_to_leaf(edge.leaf, std::move(results[i]));
      continue;
    }
    if (results[i].defined()) {
      if (form_of(results[i]) != edge.form) {
        raise<AutogradError>(node.where(), "{}: its backward made {} {} on {} for input {}, which is no such tensor",
                             node.name(), results[i].dtype(), results[i].shape(), results[i].device(), i);
      }
      deliver_to_node(edge.node, edge.index, results[i]);
    }
    results[i] = {};
    if (!is_end(edge.node) && --edge.node->pending_ == 0) ready_.push_back(edge.node);
  }
}

void Engine::execute(Node& node) {
  const std::span<Edge> edges = node.edges();
  NeedBits bits(edges.size());
  bool wanted = false;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (!wants(edges[i])) continue;
    bits.set(i);
    wanted = true;
  }
  const Needs needs = bits.needs();
  constexpr size_t few = 4;  // so that common operations take no memory
  std::array<Tensor, few> few_results;
  std::vector<Tensor> many_results(edges.size() > few ? edges.size() : 0);
  const std::span<Tensor> results = many_results.empty() ? std::span(few_results).first(edges.size()) : many_results;
  {  // no longer than it takes to read them
    std::array<Tensor, 1> single{std::move(node.gradient_)};
    std::vector<Tensor> several = std::move(node.gradients_);
    if (node.outputs_ > 1) several.resize(node.outputs_);
    const std::span<Tensor> gradients = node.outputs_ == 1 ? std::span<Tensor>(single) : several;
    if (receive(node, gradients) && wanted && !accumulate(node, gradients[0])) {
      call_backward(node, gradients, needs, results);
    }
  }
  send_on(node, needs, results);
  if (!options_.retain_graph && !options_.create_graph) {
    node.forgotten_ = true;
    node.forget();
  }
}

void raise_changed_in_place() {
  if (!running) raise_here<AutogradError>("backward: a saved value was changed in place");
  raise<AutogradError>(running->where(), "{}: a value saved for its backward was changed in place", running->name());
}

}  // namespace fovea::autograd
