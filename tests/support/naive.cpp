#include "support/naive.h"

#include "fovea/tensor/creation.h"

namespace fovea::test {
namespace {

/// A dense array with its values on the host.
struct Host {
  explicit Host(const Tensor& x)
      : shape(x.shape()), strides(contiguous_strides(shape)), values(x.to_vector<double>()) {}

  /// The value at `index`, broadcast: aligned at the last axis, a size of 1 repeats.
  double at(const Shape& index) const {
    int64_t offset = 0;
    const int missing = index.rank() - shape.rank();
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != 1) offset += index[axis + missing] * strides[axis];
    }
    return values[static_cast<size_t>(offset)];
  }

  Shape shape;
  Strides strides;
  std::vector<double> values;
};

/// Calls visit(index) for every position of `shape`, in row-major order.
template <class Visit>
void for_each_index(const Shape& shape, Visit visit) {
  Shape index = shape;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    visit(index);
  }
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  for (int i = 1; i <= shorter.rank(); ++i) {
    if (out[out.rank() - i] == 1) out[out.rank() - i] = shorter[shorter.rank() - i];
  }
  return out;
}

Shape without_last(Shape shape, int count) {
  for (int i = 0; i < count; ++i) shape.erase(shape.rank() - 1);
  return shape;
}

}  // namespace

Tensor naive_matmul(const Tensor& a, const Tensor& b) {
  Host left(a), right(b);
  const bool row = left.shape.rank() == 1, column = right.shape.rank() == 1;
  if (row) left.shape.insert(0, 1), left.strides = contiguous_strides(left.shape);
  if (column) right.shape.push_back(1), right.strides = contiguous_strides(right.shape);
  const int64_t m = left.shape[left.shape.rank() - 2], k = left.shape.back(), n = right.shape.back();
  Shape out = broadcast(without_last(left.shape, 2), without_last(right.shape, 2));
  out.push_back(m);
  out.push_back(n);
  std::vector<double> values;
  for_each_index(out, [&](const Shape& index) {
    double total = 0;
    for (int64_t i = 0; i < k; ++i) {
      Shape at_left = index, at_right = index;
      at_left[out.rank() - 1] = i;
      at_right[out.rank() - 2] = i;
      total += left.at(at_left) * right.at(at_right);
    }
    values.push_back(total);
  });
  Shape shape = without_last(out, 2);
  if (!row) shape.push_back(m);
  if (!column) shape.push_back(n);
  return from_vector(values, shape);
}

Tensor naive_map(const Tensor& x, const std::function<double(double)>& f) {
  std::vector<double> values = x.to_vector<double>();
  for (double& value : values) value = f(value);
  return from_vector(values, x.shape());
}

Tensor naive_map(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f) {
  const Host left(a), right(b);
  const Shape out = broadcast(left.shape, right.shape);
  std::vector<double> values;
  for_each_index(out, [&](const Shape& index) { values.push_back(f(left.at(index), right.at(index))); });
  return from_vector(values, out);
}

Tensor naive_reduce(const Tensor& x, const Axes& axes, bool keepdim,
                    const std::function<double(const std::vector<double>&)>& f) {
  const Host host(x);
  Shape kept = host.shape, folded = host.shape, out;
  for (int axis = 0; axis < kept.rank(); ++axis) {
    bool reduced = axes.all();
    for (int64_t named : axes.list) reduced = reduced || named == axis || named + kept.rank() == axis;
    (reduced ? kept : folded)[axis] = 1;
    if (keepdim || !reduced) out.push_back(kept[axis]);
  }
  std::vector<double> values;
  for_each_index(kept, [&](const Shape& at) {
    std::vector<double> group;
    for_each_index(folded, [&](const Shape& offset) {
      Shape index = at;
      for (int axis = 0; axis < index.rank(); ++axis) index[axis] += offset[axis];
      group.push_back(host.at(index));
    });
    values.push_back(f(group));
  });
  return from_vector(values, out);
}

Tensor naive_along(const Tensor& x, int axis, const std::function<std::vector<double>(const std::vector<double>&)>& f) {
  const Host host(x);
  if (axis < 0) axis += host.shape.rank();
  Shape outer = host.shape;
  const int64_t n = outer[axis];
  outer[axis] = 1;
  std::vector<double> values(host.values.size());
  for_each_index(outer, [&](const Shape& at) {
    std::vector<double> lane;
    int64_t start = 0;
    for (int i = 0; i < at.rank(); ++i) start += at[i] * host.strides[i];
    for (int64_t i = 0; i < n; ++i) lane.push_back(host.values[static_cast<size_t>(start + i * host.strides[axis])]);
    const std::vector<double> made = f(lane);
    for (int64_t i = 0; i < n; ++i) {
      values[static_cast<size_t>(start + i * host.strides[axis])] = made[static_cast<size_t>(i)];
    }
  });
  return from_vector(values, host.shape);
}

Tensor naive_gather(const Tensor& x, int axis, const Tensor& index) {
  const Host host(x), positions(index);
  if (axis < 0) axis += host.shape.rank();
  std::vector<double> values;
  for_each_index(positions.shape, [&](const Shape& at) {
    int64_t offset = 0;
    for (int i = 0; i < at.rank(); ++i) {
      offset += (i == axis ? static_cast<int64_t>(positions.at(at)) : at[i]) * host.strides[i];
    }
    values.push_back(host.values[static_cast<size_t>(offset)]);
  });
  return from_vector(values, positions.shape);
}

}  // namespace fovea::test
