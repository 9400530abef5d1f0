#include "fovea/autograd/losses.h"

#include "conformance/operations.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"

namespace fovea::conformance {
namespace {

Reduction reduction_of(const Call& call) {
  const std::string name = call.attributes.text("reduction", "mean");
  if (name == "none") return Reduction::none;
  if (name == "sum") return Reduction::sum;
  if (name == "mean") return Reduction::mean;
  throw Unsupported("reduction " + name);
}

using Classify = Tensor (*)(const Tensor&, const Tensor&, const CrossEntropyOptions&, Caller);

/// Cases have PyTorch's layout: classes on axis 1 where there are more than two axes.
Operation classification(Classify loss) {
  return [loss](Call& call) {
    CrossEntropyOptions options;
    options.weight = call.optional(2);
    options.label_smoothing = call.attributes.number("label_smoothing", 0);
    options.ignore_index = call.attributes.integer("ignore_index", -100);
    options.reduction = reduction_of(call);
    Tensor scores = call[0];
    if (scores.rank() > 2) {
      Shape order;
      for (int axis = 0; axis < scores.rank(); ++axis) {
        if (axis != 1) order.push_back(axis);
      }
      order.push_back(1);
      scores = scores.permute(order);
    }
    return std::vector{loss(scores, call[1], options, {})};
  };
}

using Compare = Tensor (*)(const Tensor&, const Tensor&, Reduction, Caller);

/// A third input weighs the elements.
Operation comparison(Compare loss) {
  return [loss](Call& call) {
    const Reduction reduction = reduction_of(call);
    if (call.inputs.size() < 3) return std::vector{loss(call[0], call[1], reduction, {})};
    const Tensor weighted = loss(call[0], call[1], Reduction::none, {}) * call[2];
    if (reduction == Reduction::none) return std::vector{weighted};
    return std::vector{reduction == Reduction::sum ? sum(weighted) : mean(weighted)};
  };
}

}  // namespace

void add_losses(Operations& table) {
  table["cross_entropy"] = classification(cross_entropy);
  table["nll_loss"] = classification(nll_loss);
  table["mse_loss"] = comparison(mse_loss);
  table["l1_loss"] = comparison(l1_loss);
  table["bce_with_logits"] = comparison(binary_cross_entropy_with_logits);
  table["binary_cross_entropy"] = comparison(binary_cross_entropy);
  table["kl_div"] = comparison(kl_div);
  table["hinge_loss"] = comparison(hinge_loss);
  table["huber_loss"] = [](Call& call) {
    return std::vector{huber_loss(call[0], call[1], call.attributes.number("delta", 1), reduction_of(call))};
  };
  table["smooth_l1_loss"] = [](Call& call) {
    return std::vector{smooth_l1_loss(call[0], call[1], call.attributes.number("beta", 1), reduction_of(call))};
  };
}

}  // namespace fovea::conformance
