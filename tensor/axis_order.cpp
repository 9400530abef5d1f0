#include "fovea/tensor/axis_order.h"

#include <cstdlib>

namespace fovea {
namespace {

bool lie_alike(const View& a, const View& b) {
  for (int axis = 0; axis < a.rank(); ++axis) {
    if (a.shape[axis] != 1 && a.strides[axis] != b.strides[axis]) return false;
  }
  return true;
}

}  // namespace

std::optional<AxisOrder> AxisOrder::of_inputs(const Shape& space, std::span<const Tensor* const> inputs) {
  const View* lead = nullptr;
  const int64_t count = space.numel();
  for (const Tensor* x : inputs) {
    const View& view = x->view();
    if (view.numel() != count) continue;
    if (view.rank() != space.rank() || view.is_contiguous() || (lead && !lie_alike(*lead, view))) return {};
    lead = &view;
  }
  if (!lead) return {};
  AxisOrder order;
  const auto stride = [&](int axis) { return std::abs(lead->strides[axis]); };
  bool row_major = true;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (space[axis] == 1) continue;
    if (stride(axis) == 0) return {};
    int place = order.rank_++;
    for (; place > 0 && stride(order.axes_[static_cast<size_t>(place - 1)]) < stride(axis); --place) {
      order.axes_[static_cast<size_t>(place)] = order.axes_[static_cast<size_t>(place - 1)];
      row_major = false;
    }
    order.axes_[static_cast<size_t>(place)] = axis;
  }
  if (row_major) return {};
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (space[axis] == 1) order.axes_[static_cast<size_t>(order.rank_++)] = axis;
  }
  return order;
}

Shape AxisOrder::of(const Shape& shape) const {
  Shape turned;
  for (int i = 0; i < rank_; ++i) turned.push_back(shape[axes_[static_cast<size_t>(i)]]);
  return turned;
}

View AxisOrder::of(View view) const {
  while (view.rank() < rank_) {
    view.shape.insert(0, 1);
    view.strides.insert(0, 0);
  }
  view.shape = of(view.shape);
  view.strides = of(view.strides);
  return view;
}

void AxisOrder::restore(Tensor& x) const {
  View& view = x.impl()->view;
  const View turned = view;
  for (int i = 0; i < rank_; ++i) {
    view.shape[axes_[static_cast<size_t>(i)]] = turned.shape[i];
    view.strides[axes_[static_cast<size_t>(i)]] = turned.strides[i];
  }
}

}  // namespace fovea
