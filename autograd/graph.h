#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "fovea/tensor/raw.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

/// Whether operations are recorded on this thread.
bool grad_enabled();

/// Turns recording on or off on this thread while it lives.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};
struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};
struct EnableGrad : GradMode {
  EnableGrad() : GradMode(true) {}
};

/// While it lives, every recorded operation of this thread and every step of its backward passes is checked for NaN: an
/// AutogradError names the operation and the source line that made the first one. Slow; for finding faults.
class AnomalyMode {
 public:
  AnomalyMode();
  ~AnomalyMode();
  AnomalyMode(const AnomalyMode&) = delete;
  AnomalyMode& operator=(const AnomalyMode&) = delete;

 private:
  bool before_;
};

using Gradients = std::vector<Tensor>;

/// Which inputs of an operation want a gradient.
struct Needs {
  uint64_t bits = 0;                    // of the first 64 inputs
  std::span<const uint64_t> more = {};  // of those behind, 64 in each
  bool operator[](size_t input) const {
    const uint64_t word = input < 64 ? bits : more[input / 64 - 1];
    return word >> input % 64 & 1;
  }
};

/// A tensor kept for the backward pass. Reading it throws AutogradError if it was changed in place since.
class Saved {
 public:
  Saved() = default;
  Saved(const Tensor& tensor) : tensor_(tensor), version_(tensor.defined() ? tensor.buffer()->version : 0) {}
  const Tensor& operator*() const {
    if (tensor_.defined() && tensor_.buffer()->version != version_) changed();
    return tensor_;
  }
  const Tensor* operator->() const { return &**this; }
  bool defined() const { return tensor_.defined(); }

 private:
  [[noreturn]] static void changed();
  Tensor tensor_;
  uint32_t version_ = 0;
};

namespace autograd {

/// Where a gradient goes next: into output `index` of another node, into a leaf, or nowhere.
struct Edge {
  NodeRef node;
  Tensor leaf;
  uint32_t index = 0;
  uint32_t form = 0;  // form_of() the input, which its gradient must have too

  Edge() = default;
  explicit Edge(const Tensor& input);
  bool needed() const { return node || leaf.defined(); }
};

/// A hash of shape, dtype and device.
inline uint32_t form_of(const Tensor& x) {
  const View& view = x.view();
  uint64_t hash = reinterpret_cast<uintptr_t>(&view.buffer->backend()) + static_cast<uint64_t>(view.dtype);
  for (int64_t size : view.shape) hash = (hash ^ static_cast<uint64_t>(size)) * 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>(hash >> 32 ^ hash);
}

struct Hook {
  int64_t key;
  uint32_t output;
  std::function<Tensor(const Tensor&)> function;
};

struct Int8Weight;

/// A leaf's accumulated gradient, and what else it has beside its numbers.
struct LeafState {
  Tensor grad;
  std::optional<RowSparse> sparse_grad;
  std::vector<Hook> hooks;
  std::shared_ptr<const Int8Weight> int8;  // see multiply_in_int8
};

/// Of a tensor that has had none as yet, made.
const std::shared_ptr<LeafState>& leaf_state(TensorImpl& impl);

/// Throws ShapeError, DTypeError or DeviceError where a gradient is not like x, which is `what` ("an output").
void check_gradient(const Tensor& gradient, const Tensor& x, const char* operation, const char* what, Caller caller);

/// Throws AutogradError where x, which is to be changed in place, has its gradient recorded, and ValueError where it
/// repeats elements.
void check_in_place(const Tensor& x, const char* operation, Caller caller);
/// Refuses to read a tensor whose gradient would not come through a change in place.
void check_read_in_place(const Tensor& x, const char* operation, Caller caller);

/// One recorded operation: it turns the gradients of its outputs into those of its inputs.
class Node : public Pooled<Node> {
 public:
  Node(const char* name, Caller where, uint32_t outputs) : name_(name), where_(where), outputs_(outputs) {}
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* name() const { return name_; }
  Caller where() const { return where_; }
  uint32_t outputs() const { return outputs_; }
  virtual std::span<Edge> edges() = 0;

  /// Fills results[i] for every i that `needs`; gradients of outputs that nothing used are undefined, not all of them
  /// are.
  virtual void backward(std::span<const Tensor> gradients, Needs needs, std::span<Tensor> results) = 0;
  /// Whether `accumulate` may take the place of `backward`.
  virtual bool accumulates() const { return false; }
  /// Adds the gradient of the only input to `sum`, whose elements lie in a row and none in `gradient`'s memory.
  virtual void accumulate(const Tensor& /*gradient*/, const Tensor& /*sum*/) {}
  /// Forgets what was saved; backward is not called again.
  virtual void forget() noexcept = 0;

  std::vector<Hook> hooks;

 private:
  friend void autograd::retain(Node*) noexcept;
  friend void autograd::release(Node*) noexcept;
  friend class Engine;

  const char* name_;
  Caller where_;
  uint32_t outputs_;
  ReferenceCount references_;

  // What the engine notes during a pass.
  bool forgotten_ = false;
  bool useful_ = false;
  int32_t pending_ = 0;
  uint64_t pass_ = 0;
  Tensor gradient_;                // of output 0
  std::vector<Tensor> gradients_;  // of the outputs, where there are several
  Node* next_dead_ = nullptr;
};

/// A node whose backward is a function: `Gradients f(g)` or `Gradients f(g, needs)`, with a span in place of g where the
/// operation has several outputs. One that has a method `accumulate(g, sum)`, too, adds the gradient of its only input to
/// what others gave: where it is mostly zeros.
template <class F>
class FunctionNode final : public Node {
 public:
  FunctionNode(const char* name, Caller where, uint32_t outputs, std::vector<Edge> edges, F function)
      : Node(name, where, outputs), edges_(std::move(edges)), function_(std::move(function)) {}

  std::span<Edge> edges() override { return edges_; }

  void backward(std::span<const Tensor> gradients, Needs needs, std::span<Tensor> results) override {
    Gradients made = [&] {
      if constexpr (std::is_invocable_v<F&, const Tensor&, Needs>) {
        return (*function_)(gradients[0], needs);
      } else if constexpr (std::is_invocable_v<F&, const Tensor&>) {
        return (*function_)(gradients[0]);
      } else {
        return (*function_)(gradients, needs);
      }
    }();
    check_count(made.size(), results.size());
    for (size_t i = 0; i < results.size(); ++i) {
      if (needs[i]) results[i] = std::move(made[i]);
    }
  }

  bool accumulates() const override { return adds; }
  void accumulate(const Tensor& gradient, const Tensor& sum) override {
    if constexpr (adds) function_->accumulate(gradient, sum);
  }

  void forget() noexcept override {
    function_.reset();
    edges_.clear();
  }

 private:
  static constexpr bool adds = requires(F & f, const Tensor& x) { f.accumulate(x, x); };

  void check_count(size_t made, size_t expected) const {
    if (made != expected) {
      raise<AutogradError>(where(), "{}: its backward made {} gradients for {} inputs", name(), made, expected);
    }
  }

  std::vector<Edge> edges_;
  std::optional<F> function_;
};

/// Makes `out` the output `index` of `node`.
void attach(Tensor& out, NodeRef node, uint32_t index);

bool anomaly_enabled();
/// Throws AutogradError where `tensor` holds a NaN, which anomaly mode looks for.
void check_for_nan(const Tensor& tensor, const char* name, Caller where, const char* what);

struct Input {
  Input(const Tensor& x) : tensor(&x) {}
  const Tensor* tensor;
};

}  // namespace autograd

/// Records an operation: `out` was computed from `inputs` (outside the graph), and `backward` turns its gradient into
/// one per input. `name` must outlive the graph (a literal). This is how operations with a derivative of their own are
/// made; write the derivative with public operations, and it can be differentiated again:
///
///     return record("square", raw_square(x), {x}, [x = Saved(x)](const Tensor& g) { return Gradients{g * *x * 2.0};
///     });
template <class F>
Tensor record(const char* name, Tensor out, std::initializer_list<autograd::Input> inputs, F backward,
              Caller caller = {}) {
  if (!grad_enabled()) return out;
  bool any = false;
  for (const autograd::Input& input : inputs) any = any || input.tensor->requires_grad();
  if (autograd::anomaly_enabled()) autograd::check_for_nan(out, name, caller, "result");
  if (!any) return out;
  std::vector<autograd::Edge> edges;
  edges.reserve(inputs.size());
  for (const autograd::Input& input : inputs) edges.emplace_back(*input.tensor);
  autograd::NodeRef node(
      new autograd::FunctionNode<F>(name, ErrorScope::caller(caller), 1, std::move(edges), std::move(backward)));
  autograd::attach(out, std::move(node), 0);
  return out;
}

/// The same for several outputs and any number of inputs: `Gradients f(std::span<const Tensor> gradients, Needs
/// needs)`, where the gradient of an output that nothing used is undefined.
template <class F>
std::vector<Tensor> record(const char* name, std::vector<Tensor> outs, std::span<const Tensor> inputs, F backward,
                           Caller caller = {}) {
  if (!grad_enabled()) return outs;
  bool any = false;
  for (const Tensor& input : inputs) any = any || input.requires_grad();
  if (autograd::anomaly_enabled()) {
    for (const Tensor& out : outs) autograd::check_for_nan(out, name, caller, "result");
  }
  if (!any) return outs;
  std::vector<autograd::Edge> edges;
  edges.reserve(inputs.size());
  for (const Tensor& input : inputs) edges.emplace_back(input);
  const autograd::NodeRef node(new autograd::FunctionNode<F>(
      name, ErrorScope::caller(caller), static_cast<uint32_t>(outs.size()), std::move(edges), std::move(backward)));
  for (size_t i = 0; i < outs.size(); ++i) {
    if (outs[i].defined()) autograd::attach(outs[i], node, static_cast<uint32_t>(i));
  }
  return outs;
}

}  // namespace fovea
