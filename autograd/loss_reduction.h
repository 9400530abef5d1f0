#pragma once

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"

// How losses become one number.
namespace fovea {

inline Tensor reduce_losses(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::none) return losses;
  return reduction == Reduction::sum ? sum(losses) : mean(losses);
}

/// What each target counts, 0 where it is ignored: of its class where the options have weights, else whether it takes part.
/// A constant.
Tensor target_weights(const Tensor& targets, const CrossEntropyOptions& options);

/// cross_entropy's losses, reduced: the mean is over the weights of the targets that take part.
Tensor reduce_rows(const Tensor& losses, const Tensor& targets, const CrossEntropyOptions& options);

/// A pointwise loss of `count` elements, folded in the same pass where it is folded. f's last parameter is what an element
/// counts for: a mean in half precision does not overflow before it is divided.
template <class... Arguments>
Tensor pointwise_loss(const Elementwise& f, int64_t count, Reduction reduction, const Arguments&... arguments) {
  const double part = reduction == Reduction::mean ? 1 / static_cast<double>(count) : 1;
  if (reduction == Reduction::none) return f.all({arguments..., part})[0];
  const Tensor total = f.sum({}, false, {arguments..., part});
  return count > 0 ? total : total * part;  // the mean of nothing is NaN
}

}  // namespace fovea
