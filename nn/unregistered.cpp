#include "fovea/nn/unregistered.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "fovea/autograd/graph.h"

namespace fovea::nn {

std::string to_string(const Unregistered& found) {
  return fmt::format("{} ({}) reads a {} {}", found.operation, fovea::to_string(found.where), found.tensor.dtype(),
                     found.tensor.shape());
}

std::vector<Unregistered> unregistered_parameters(const Tensor& loss, const std::vector<Tensor>& known, Caller caller) {
  raw::check_defined("unregistered_parameters", loss, caller);
  if (!loss.impl()->grad_fn) raise<AutogradError>(caller, "unregistered_parameters: the loss was not recorded");
  std::unordered_set<const TensorImpl*> seen_leaves;
  for (const Tensor& tensor : known) seen_leaves.insert(tensor.impl());
  std::vector<Unregistered> found;
  std::vector<autograd::Node*> left;
  std::unordered_set<const autograd::Node*> seen;
  const auto visit = [&](autograd::Node* node) {
    if (node && seen.insert(node).second) left.push_back(node);
  };
  visit(loss.impl()->grad_fn.get());
  while (!left.empty()) {
    autograd::Node* node = left.back();
    left.pop_back();
    const auto edges = node->edges();
    if (std::none_of(edges.begin(), edges.end(), [](const autograd::Edge& edge) { return edge.needed(); })) {
      raise<AutogradError>(caller, "unregistered_parameters: backward() has freed the graph, at {}", node->name());
    }
    for (const autograd::Edge& edge : edges) {
      visit(edge.node.get());
      if (edge.leaf.defined() && seen_leaves.insert(edge.leaf.impl()).second) {
        found.push_back({edge.leaf, node->name(), node->where()});
      }
    }
  }
  return found;
}

}  // namespace fovea::nn
