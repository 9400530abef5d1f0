#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fovea/autograd/backward.h"

namespace fovea::autograd {

bool have_one_form(const Tensor& a, const Tensor& b);
/// "f32 [3]", with the device where that is what two tensors differ in.
std::string form_beside(const Tensor& x, const Tensor& other);

/// One backward pass: counts for each node how many gradients it awaits, then runs whatever is complete.
class Engine {
 public:
  Engine(BackwardOptions options, Caller caller);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  struct Capture {
    bool strict = false;  // a leaf that is neither captured nor known is an error
    bool stop = false;    // the pass ends at what is captured, and leaves the nodes there untouched
    std::span<const Tensor> known = {};
  };

  /// Gradients of these tensors are kept (see `captured`) and those of other leaves dropped.
  void capture(const std::vector<Tensor>& inputs, Capture how);
  void run(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients);

  std::vector<Tensor> captured;

 private:
  /// Visits what `root` reaches, children first, and notes for each node how many edges lead to it and whether it leads
  /// to anything that is wanted.
  void discover(const NodeRef& root);
  void enter(Node& node);
  void execute(Node& node);
  /// Runs the hooks on a node's gradients and keeps what is captured of them. Returns whether there is any.
  bool receive(Node& node, std::span<Tensor> gradients);
  void call_backward(Node& node, std::span<const Tensor> gradients, Needs needs, std::span<Tensor> results) const;
  /// Adds the gradient of the node's input to a sum that has begun, where the node can. Returns whether it did.
  bool accumulate(Node& node, const Tensor& gradient) const;
  void send_on(Node& node, Needs needs, std::span<Tensor> results);

  /// A captured node that the pass does not enter: its state may belong to an outer pass.
  bool is_end(const NodeRef& node) const { return stop_ && node_captures_.contains(node.get()); }
  bool wants_leaf(const Tensor& leaf) const { return !capturing_ || leaf_captures_.contains(leaf.impl()); }
  bool wants(const Edge& edge) const;

  /// sum += gradient, in place where nobody else can see it.
  void add(Tensor& sum, const Tensor& gradient) const;
  void deliver_to_node(const NodeRef& node, uint32_t output, const Tensor& gradient);
  /// `gradient` is undefined where an operation had none to give.
  void deliver_to_leaf(const Tensor& leaf, Tensor gradient);
  /// Notes that one more gradient will arrive at a leaf whose hooks wait for all of them. A checkpoint's own pass gives
  /// its gradients to the pass around it, where the hooks run.
  void await(const Tensor& leaf);
  /// Adds the gradient to what the leaf has, or to what is captured of it.
  void settle(const Tensor& leaf, Tensor gradient);
  void run_hooks(const std::vector<Hook>& hooks, uint32_t output, Tensor& gradient, const char* of) const;

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

}  // namespace fovea::autograd
