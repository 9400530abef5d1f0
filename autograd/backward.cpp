#include "fovea/autograd/backward.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/gradient_log.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"

namespace fovea::autograd {
namespace {

thread_local const Node* running = nullptr;
thread_local std::vector<uint64_t> active;  // the passes that this thread is in

// Threads may give gradients to one leaf. A few locks for all of them: those of different leaves seldom meet.
std::mutex& lock_of(const TensorImpl& leaf) {
  static std::array<std::mutex, 64> locks;
  return locks[reinterpret_cast<uintptr_t>(&leaf) * uint64_t{0x9e3779b97f4a7c15} >> 58];
}

bool have_one_form(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && &a.backend() == &b.backend();
}
/// "f32 [3]", with the device where that is what two tensors differ in.
std::string form_beside(const Tensor& x, const Tensor& other) {
  return fmt::format("{} {}{}", x.dtype(), x.shape(),
                     &x.backend() == &other.backend() ? "" : " on " + to_string(x.device()));
}

}  // namespace

/// One backward pass: counts for each node how many gradients it awaits, then runs whatever is complete.
class Engine {
 public:
  Engine(BackwardOptions options, Caller caller) : options_(options), caller_(ErrorScope::caller(caller)) {
    static std::atomic<uint64_t> passes{0};
    pass_ = passes.fetch_add(1, std::memory_order_relaxed) + 1;
    active.push_back(pass_);
  }
  ~Engine() { active.pop_back(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  struct Capture {
    bool strict = false;  // a leaf that is neither captured nor known is an error
    bool stop = false;    // the pass ends at what is captured, and leaves the nodes there untouched
    std::span<const Tensor> known = {};
  };

  /// Gradients of these tensors are kept (see `captured`) and those of other leaves dropped.
  void capture(const std::vector<Tensor>& inputs, Capture how) {
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

  void run(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients) {
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

  std::vector<Tensor> captured;

 private:
  /// Visits what `root` reaches, children first, and notes for each node how many edges lead to it and whether it leads
  /// to anything that is wanted.
  void discover(const NodeRef& root) {
    struct Frame {
      Node* node;
      size_t next;
    };
    std::vector<Frame> stack;
    const auto enter = [&](Node* node) {
      if (node->forgotten_) {
        raise<AutogradError>(caller_, "backward: the graph of {} was freed by an earlier pass; use retain_graph",
                             node->name());
      }
      if (node->pass_ != 0 && std::find(active.begin(), active.end(), node->pass_) != active.end()) {
        raise<AutogradError>(
            caller_,
            "backward: a pass that is still running uses the graph of {}; a hook or a backward function "
            "differentiates a graph of its own, from detached tensors",
            node->name());
      }
      node->pass_ = pass_;
      node->pending_ = 0;
      node->useful_ = !capturing_ || node_captures_.contains(node);
      node->gradient_ = {};
      node->gradients_.clear();
      stack.push_back({node, 0});
    };
    if (root->pass_ != pass_) enter(root.get());
    while (!stack.empty()) {
      const std::span<Edge> edges = stack.back().node->edges();
      if (stack.back().next == edges.size()) {
        Node& done = *stack.back().node;
        for (Edge& edge : edges) {
          if (edge.leaf.defined() && (strict_ || wants_leaf(edge.leaf))) {
            done.useful_ = true;
            await(edge.leaf);
          }
          if (edge.node && (is_end(edge.node) || edge.node->useful_)) done.useful_ = true;
        }
        for (Edge& edge : edges) {
          if (edge.node && !is_end(edge.node) && edge.node->useful_) ++edge.node->pending_;
        }
        stack.pop_back();
        continue;
      }
      const Edge& edge = edges[stack.back().next++];
      if (edge.node && !is_end(edge.node) && edge.node->pass_ != pass_) enter(edge.node.get());
    }
  }

  /// A captured node that the pass does not enter: its state may belong to an outer pass.
  bool is_end(const NodeRef& node) const { return stop_ && node_captures_.contains(node.get()); }

  void deliver_to_node(const NodeRef& node, uint32_t output, const Tensor& gradient) {
    if (!is_end(node)) {
      add(slot(*node.get(), output), gradient);
      return;
    }
    for (const auto& [captured_output, i] : node_captures_[node.get()]) {
      if (captured_output == output) add(captured[i], gradient);
    }
  }

  bool wants_leaf(const Tensor& leaf) const { return !capturing_ || leaf_captures_.contains(leaf.impl()); }

  static Tensor& slot(Node& node, uint32_t index) {
    if (node.outputs_ == 1) return node.gradient_;
    node.gradients_.resize(node.outputs_);
    return node.gradients_[index];
  }

  /// slot += gradient, in place where nobody else can see it.
  void add(Tensor& sum, const Tensor& gradient) const {
    if (!sum.defined()) {
      sum = gradient;
    } else if (options_.create_graph) {
      sum = sum + gradient;
    } else if (sum.impl()->references.load() == 1 && sum.buffer().unique() && sum.is_contiguous()) {
      raw::accumulate(sum, gradient);
    } else {
      sum = sum + gradient;
    }
  }

  /// Notes that one more gradient will arrive at a leaf whose hooks wait for all of them. A checkpoint's own pass gives
  /// its gradients to the pass around it, where the hooks run.
  void await(const Tensor& leaf) {
    if (!strict_ && leaf.impl()->leaf && !leaf.impl()->leaf->hooks.empty()) ++hooked_[leaf.impl()].awaited;
  }

  /// `gradient` is undefined where an operation had none to give.
  void deliver_to_leaf(const Tensor& leaf, Tensor gradient) {
    if (!hooked_.empty()) {
      if (const auto found = hooked_.find(leaf.impl()); found != hooked_.end()) {
        HookedLeaf& waiting = found->second;
        if (gradient.defined()) add(waiting.sum, checked(leaf, gradient));
        gradient = {};
        if (--waiting.awaited > 0 || !waiting.sum.defined()) return;
        gradient = std::move(waiting.sum);
        run_hooks(leaf.impl()->leaf->hooks, 0, gradient, "a leaf");
      }
    }
    if (gradient.defined()) settle(leaf, std::move(gradient));
  }

  const Tensor& checked(const Tensor& leaf, const Tensor& gradient) const {
    if (!have_one_form(gradient, leaf)) {
      raise<AutogradError>(caller_, "backward: a gradient {} for a leaf {}", form_beside(gradient, leaf),
                           form_beside(leaf, gradient));
    }
    return gradient;
  }

  /// Adds the gradient to what the leaf has, or to what is captured of it.
  void settle(const Tensor& leaf, Tensor gradient) {
    TensorImpl& impl = *leaf.impl();
    checked(leaf, gradient);
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
      if (!options_.create_graph && !sum.requires_grad() && sum.is_contiguous()) {
        raw::accumulate(sum, gradient);  // .grad is the user's to see: it changes in place, as an optimizer expects
        ++sum.buffer()->version;
      } else {
        GradientLog::changed(impl.leaf);
        add(sum, gradient);
      }
      return;
    }
    GradientLog::changed(impl.leaf);
    // A gradient that something else still holds (a saved value, another leaf's) must not become this leaf's own.
    const bool ours = gradient.impl()->references.load() == 1 && gradient.buffer().unique() && gradient.is_contiguous();
    sum = ours ? std::move(gradient) : options_.create_graph ? gradient.clone() : copy_of(gradient);
  }

  static Tensor copy_of(const Tensor& x) {
    Tensor copy = raw::empty(x.shape(), x.options());
    raw::copy(x, copy);
    return copy;
  }

  void run_hooks(const std::vector<Hook>& hooks, uint32_t output, Tensor& gradient, const char* of) const {
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

  void execute(Node& node) {
    std::array<Tensor, 1> single;
    std::vector<Tensor> several;
    std::span<Tensor> gradients;
    if (node.outputs_ == 1) {
      single[0] = std::move(node.gradient_);
      gradients = single;
    } else {
      several = std::move(node.gradients_);
      several.resize(node.outputs_);
      gradients = several;
    }
    bool any = false;
    for (uint32_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      any = true;
      if (!node.hooks.empty()) run_hooks(node.hooks, i, gradients[i], node.name());
    }
    if (capturing_) {
      if (const auto found = node_captures_.find(&node); found != node_captures_.end()) {
        for (const auto& [output, i] : found->second) {
          if (gradients[output].defined()) add(captured[i], gradients[output]);
        }
      }
    }

    const std::span<Edge> edges = node.edges();
    std::vector<uint64_t> more(edges.empty() ? 0 : (edges.size() - 1) / 64);
    uint64_t first = 0;
    bool wanted = false;
    for (size_t i = 0; i < edges.size(); ++i) {
      const Edge& edge = edges[i];
      const bool wants = edge.node ? is_end(edge.node) || edge.node->useful_
                                   : edge.leaf.defined() && (strict_ || wants_leaf(edge.leaf));
      if (wants) (i < 64 ? first : more[i / 64 - 1]) |= uint64_t{1} << i % 64;
      wanted = wanted || wants;
    }
    const Needs needs{first, more};
    constexpr size_t few = 4;
    std::array<Tensor, few> inline_results;
    std::vector<Tensor> many_results;
    std::span<Tensor> results(inline_results.data(), std::min(edges.size(), few));
    if (edges.size() > few) {
      many_results.resize(edges.size());
      results = many_results;
    }
    if (any && wanted) {
      const Node* outer = std::exchange(running, &node);
      try {
        node.backward(gradients, needs, results);
      } catch (...) {
        running = outer;
        throw;
      }
      running = outer;
      if (anomaly_enabled()) {
        for (const Tensor& result : results) check_for_nan(result, node.name(), node.where(), "gradient");
      }
    }
    single[0] = {};
    several.clear();
    for (size_t i = 0; i < edges.size(); ++i) {
      if (!needs[i]) continue;
      Edge& edge = edges[i];
      if (edge.node) {
        if (results[i].defined()) {
          if (form_of(results[i]) != edge.form) {
            raise<AutogradError>(node.where(),
                                 "{}: its backward made {} {} on {} for input {}, which is no such tensor", node.name(),
                                 results[i].dtype(), results[i].shape(), results[i].device(), i);
          }
          deliver_to_node(edge.node, edge.index, results[i]);
        }
        results[i] = {};
        if (!is_end(edge.node) && --edge.node->pending_ == 0) ready_.push_back(edge.node);
      } else {
        deliver_to_leaf(edge.leaf, std::move(results[i]));
      }
    }
    if (!options_.retain_graph && !options_.create_graph) {
      node.forgotten_ = true;
      node.forget();
    }
  }

  BackwardOptions options_;
  Caller caller_;
  uint64_t pass_;
  bool capturing_ = false;
  bool strict_ = false;
  bool stop_ = false;
  std::vector<NodeRef> ready_;
  std::unordered_set<const TensorImpl*> known_;
  std::unordered_map<const Node*, std::vector<std::pair<uint32_t, size_t>>> node_captures_;
  std::unordered_map<const TensorImpl*, std::vector<size_t>> leaf_captures_;

  struct HookedLeaf {
    size_t awaited = 0;
    Tensor sum;
  };
  std::unordered_map<const TensorImpl*, HookedLeaf> hooked_;
};

namespace {

std::vector<Tensor> checked_gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients,
                                      Caller caller) {
  if (!gradients.empty() && gradients.size() != outputs.size()) {
    raise<AutogradError>(caller, "backward: {} gradients for {} outputs", gradients.size(), outputs.size());
  }
  std::vector<Tensor> checked;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) {
      raise<AutogradError>(caller, "backward: output {} was not recorded: nothing it depends on requires a gradient",
                           i);
    }
    if (!gradients.empty() && gradients[i].defined()) {
      autograd::check_gradient(gradients[i], outputs[i], "backward", "an output", caller);
      checked.push_back(gradients[i]);
    } else if (outputs[i].numel() == 1) {
      checked.push_back(ones_like(outputs[i]));
    } else {
      raise<AutogradError>(caller, "backward: an output of shape {} needs a gradient; only a scalar's is 1 by itself",
                           outputs[i].shape());
    }
  }
  return checked;
}

/// The same tensor as an output of its own node.
Tensor stand_in(const Tensor& x) {
  return record("stand_in", x.detach(), {x}, [](const Tensor& g) { return Gradients{g}; });
}

/// While it lives, the default generator stands where it stood.
class GeneratorState {
 public:
  explicit GeneratorState(const Generator& state) : now_(std::exchange(default_generator(), state)) {}
  ~GeneratorState() { default_generator() = now_; }
  GeneratorState(const GeneratorState&) = delete;
  GeneratorState& operator=(const GeneratorState&) = delete;

 private:
  Generator now_;
};

}  // namespace

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients, BackwardOptions options,
              Caller caller) {
  const std::vector<Tensor> seeds = checked_gradients(outputs, gradients, caller);
  const GradMode mode(options.create_graph);
  Engine(options, caller).run(outputs, seeds);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& gradients, BackwardOptions options, Caller caller) {
  const std::vector<Tensor> seeds = checked_gradients(outputs, gradients, caller);
  const GradMode mode(options.create_graph);
  Engine engine(options, caller);
  engine.capture(inputs, {});
  engine.run(outputs, seeds);
  return std::move(engine.captured);
}

Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& function, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters, Caller caller) {
  const Generator generator_before = default_generator();
  Tensor out = [&] {
    const NoGrad off;
    return function(inputs);
  }();
  std::vector<Tensor> sources = inputs;
  sources.insert(sources.end(), parameters.begin(), parameters.end());
  const std::vector<Saved> saved(sources.begin(), sources.end());
  const size_t given = inputs.size();
  return record(
      "checkpoint", std::vector<Tensor>{out}, std::span<const Tensor>(sources),
      [function, saved, given, generator_before, precision = Autocast::product_dtype(), caller](
          std::span<const Tensor> g, Needs needs) {
        const Autocast as_before(precision);
        const bool recorded = grad_enabled();
        // Stand-ins for the inputs: cut off, or (to be differentiated again) recorded copies of the handles.
        std::vector<Tensor> again;
        for (size_t i = 0; i < saved.size(); ++i) {
          const Tensor& source = *saved[i];
          const bool cut = i < given && (!needs[i] || !recorded);
          again.push_back(cut ? source.detach() : i < given ? stand_in(source) : source);
          if (cut && needs[i]) again[i].set_requires_grad();
        }
        const std::vector<Tensor> arguments(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(given));
        std::vector<Tensor> wanted;
        for (size_t i = 0; i < again.size(); ++i) wanted.push_back(needs[i] ? again[i] : Tensor());
        const Tensor recomputed = [&] {
          const EnableGrad on;
          const GeneratorState as_it_was(generator_before);
          return function(arguments);
        }();
        if (!have_one_form(recomputed, g[0])) {
          raise<AutogradError>(caller, "checkpoint: the function returned {} when it was run again, for a gradient {}",
                               form_beside(recomputed, g[0]), form_beside(g[0], recomputed));
        }
        const BackwardOptions options{.retain_graph = recorded, .create_graph = recorded};
        Engine engine(options, caller);
        engine.capture(wanted, {.strict = true, .stop = true, .known = again});
        engine.run({recomputed}, {g[0]});
        return std::move(engine.captured);
      },
      caller)[0];
}

Gradients differentiate(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& definition,
                        std::span<const Tensor> inputs, std::span<const Tensor> gradients, Needs needs) {
  std::vector<Tensor> arguments(inputs.begin(), inputs.end());
  std::vector<Tensor> wanted(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!needs[i]) continue;
    arguments[i] = stand_in(inputs[i]);
    wanted[i] = arguments[i];
  }
  const std::vector<Tensor> made = definition(arguments);
  std::vector<Tensor> outputs, seeds;
  for (size_t i = 0; i < made.size(); ++i) {
    if (!gradients[i].defined() || !made[i].requires_grad()) continue;
    outputs.push_back(made[i]);
    seeds.push_back(gradients[i]);
  }
  Engine engine({.create_graph = true}, {});
  engine.capture(wanted, {.stop = true});
  engine.run(outputs, seeds);
  return std::move(engine.captured);
}

void raise_changed_in_place() {
  if (!running) throw AutogradError("backward: a saved value was changed in place");
  raise<AutogradError>(running->where(), "{}: a value saved for its backward was changed in place", running->name());
}

}  // namespace fovea::autograd
