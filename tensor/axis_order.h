#pragma once

#include <optional>
#include <span>

#include "fovea/tensor/tensor.h"

namespace fovea {

/// The axes of a space, outermost first, as what fills it lies in memory.
class AxisOrder {
 public:
  /// The order in which all of `inputs` that have as many elements as the space lie; nothing where that is row-major, or
  /// where they do not lie alike.
  static std::optional<AxisOrder> of_inputs(const Shape& space, std::span<const Tensor* const> inputs);

  /// A shape of the space's rank with its axes in this order.
  Shape of(const Shape& shape) const;
  /// The same of a view, which may have fewer axes: the first ones are of size 1 then.
  View of(View view) const;
  /// Gives x, whose axes are in this order, those of the space again.
  void restore(Tensor& x) const;

 private:
  int rank_ = 0;
  std::array<int, max_rank> axes_;
};

}  // namespace fovea
