#include "fovea/autograd/shape_ops.h"

#include <algorithm>
#include <array>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// Axis -> where it came from: permute(inverse) undoes permute(axes).
Shape inverse_permutation(const Shape& axes) {
  Shape inverse = axes;
  for (int i = 0; i < axes.rank(); ++i) inverse[static_cast<int>(axes[i])] = i;
  return inverse;
}

Tensor record_reshape(const char* name, const Tensor& x, Tensor out, Caller caller) {
  return record(
      name, std::move(out), {x}, [shape = x.shape()](const Tensor& g) { return Gradients{g.reshape(shape)}; }, caller);
}

/// `shape` with its -1 worked out. Throws ShapeError where the elements do not fit.
Shape complete(const Shape& shape, const Tensor& x, const char* name, Caller caller) {
  Shape out = shape;
  int unknown = -1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == -1 && unknown < 0) {
      unknown = axis;
      out[axis] = 1;
    } else if (shape[axis] < 0) {
      raise<ShapeError>(caller, "{}: {} has more than one unknown or a negative size", name, shape);
    }
  }
  raw::check_shape(out, name, caller);
  const int64_t known = out.numel();
  if (unknown >= 0 && known != 0 && x.numel() % known == 0) out[unknown] = x.numel() / known;
  if (out.numel() != x.numel() || (unknown >= 0 && known == 0)) {
    raise<ShapeError>(caller, "{}: {} elements of {} do not fill {}", name, x.numel(), x.shape(), shape);
  }
  return out;
}

}  // namespace

Tensor Tensor::reshape(const Shape& shape, Caller caller) const {
  const Shape full = complete(shape, *this, "reshape", caller);
  Tensor out = raw::try_reshape(*this, full);
  if (!out.defined()) out = raw::try_reshape(raw::contiguous(*this), full);
  return record_reshape("reshape", *this, std::move(out), caller);
}

Tensor Tensor::view(const Shape& shape, Caller caller) const {
  const Shape full = complete(shape, *this, "view", caller);
  Tensor out = raw::try_reshape(*this, full);
  if (!out.defined()) {
    raise<ShapeError>(caller, "view: {} with strides {} cannot be seen as {} without a copy; use reshape",
                      this->shape(), strides(), full);
  }
  return record_reshape("view", *this, std::move(out), caller);
}

Tensor Tensor::permute(const Shape& axes, Caller caller) const {
  if (axes.rank() != rank()) raise<ShapeError>(caller, "permute: axes {} for a tensor of shape {}", axes, shape());
  Shape order = axes, sizes = axes;
  Strides steps = axes;
  std::array<bool, max_rank> seen{};
  for (int i = 0; i < rank(); ++i) {
    const int axis = normalize_axis(axes[i], rank(), "permute", caller);
    if (seen[static_cast<size_t>(axis)]) raise<ValueError>(caller, "permute: axis {} stands twice in {}", axis, axes);
    seen[static_cast<size_t>(axis)] = true;
    order[i] = axis;
    sizes[i] = shape()[axis];
    steps[i] = strides()[axis];
  }
  return record(
      "permute", raw::window(*this, sizes, steps, view().offset), {*this},
      [inverse = inverse_permutation(order)](const Tensor& g) { return Gradients{g.permute(inverse)}; }, caller);
}

Tensor Tensor::transpose(int axis0, int axis1, Caller caller) const {
  const int a = normalize_axis(axis0, rank(), "transpose", caller);
  const int b = normalize_axis(axis1, rank(), "transpose", caller);
  Shape sizes = shape();
  Strides steps = strides();
  if (rank() > 0) {
    std::swap(sizes[a], sizes[b]);
    std::swap(steps[a], steps[b]);
  }
  return record(
      "transpose", raw::window(*this, sizes, steps, view().offset), {*this},
      [a, b](const Tensor& g) { return Gradients{g.transpose(a, b)}; }, caller);
}

Tensor Tensor::slice(int axis, int64_t start, int64_t end, int64_t step, Caller caller) const {
  const int a = normalize_axis(axis, rank(), "slice", caller);
  if (rank() == 0) raise<IndexError>(caller, "slice: a scalar has no axis {}", axis);
  if (step < 1) raise<ValueError>(caller, "slice: step {} is not positive", step);
  const int64_t size = shape()[a];
  const auto bound = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t first = bound(start);
  const int64_t last = std::max(first, bound(end));
  Shape sizes = shape();
  Strides steps = strides();
  sizes[a] = last > first ? (last - first - 1) / step + 1 : 0;
  if (sizes[a] > 1) steps[a] *= step;  // or it may be any number
  const int64_t offset = view().offset + (sizes[a] > 0 ? first * strides()[a] : 0);
  return record(
      "slice", raw::window(*this, sizes, steps, offset), {*this},
      [shape = shape(), a, first, step](const Tensor& g) { return Gradients{slice_scatter(g, shape, a, first, step)}; },
      caller);
}

Tensor slice_scatter(const Tensor& x, const Shape& shape, int axis, int64_t start, int64_t step, Caller caller) {
  axis = normalize_axis(axis, shape.rank(), "slice_scatter", caller);
  const int64_t count = x.rank() == shape.rank() && axis < x.rank() ? x.shape()[axis] : 0;
  Shape covered = shape;
  if (covered.rank() > 0) covered[axis] = count;
  if (x.shape() != covered || start < 0 || step < 1 ||
      (count > 0 && (start >= shape[axis] || (count - 1) > (shape[axis] - 1 - start) / step))) {
    raise<ShapeError>(caller, "slice_scatter: {} does not fit axis {} of {} from {} on in steps of {}", x.shape(), axis,
                      shape, start, step);
  }
  Tensor out = zeros(shape, x.options());
  Strides steps = out.strides();
  const int64_t offset = count > 0 ? start * steps[axis] : 0;
  if (count > 1) steps[axis] *= step;
  raw::copy(x, raw::window(out, x.shape(), steps, offset));
  const int64_t end = count > 0 ? start + (count - 1) * step + 1 : start;
  return record(
      "slice_scatter", std::move(out), {x},
      [axis, start, end, step](const Tensor& g) { return Gradients{g.slice(axis, start, end, step)}; }, caller);
}

Tensor Tensor::select(int axis, int64_t index, Caller caller) const {
  const int a = normalize_axis(axis, rank(), "select", caller);
  if (rank() == 0) raise<IndexError>(caller, "select: a scalar has no axis {}", axis);
  const int64_t size = shape()[a];
  if (index < -size || index >= size) {
    raise<IndexError>(caller, "select: index {} is outside axis {} of {}", index, axis, shape());
  }
  const int64_t i = index < 0 ? index + size : index;
  return slice(a, i, i + 1, 1, caller).squeeze(a, caller);
}

Tensor Tensor::expand(const Shape& shape, Caller caller) const {
  Shape full = shape;
  const int offset = shape.rank() - rank();
  bool fits = offset >= 0;
  for (int axis = 0; fits && axis < shape.rank(); ++axis) {
    const int64_t own = axis >= offset ? this->shape()[axis - offset] : 1;
    if (shape[axis] == -1 && axis >= offset) full[axis] = own;
    fits = full[axis] >= 0 && (own == full[axis] || own == 1);
  }
  if (!fits) raise<ShapeError>(caller, "expand: {} cannot be repeated to {}", this->shape(), shape);
  raw::check_shape(full, "expand", caller);
  return record(
      "expand", raw::expand(*this, full), {*this},
      [own = this->shape()](const Tensor& g) { return Gradients{sum_to(g, own)}; }, caller);
}

Tensor Tensor::squeeze(Caller caller) const {
  Shape sizes;
  for (int64_t size : shape()) {
    if (size != 1) sizes.push_back(size);
  }
  return record_reshape("squeeze", *this, raw::try_reshape(*this, sizes), caller);
}

Tensor Tensor::squeeze(int axis, Caller caller) const {
  const int a = normalize_axis(axis, rank(), "squeeze", caller);
  if (rank() == 0 || shape()[a] != 1) return *this;
  Shape sizes = shape();
  Strides steps = strides();
  sizes.erase(a);
  steps.erase(a);
  return record_reshape("squeeze", *this, raw::window(*this, sizes, steps, view().offset), caller);
}

Tensor Tensor::unsqueeze(int axis, Caller caller) const {
  if (rank() == max_rank) raise<ShapeError>(caller, "unsqueeze: {} has {} axes already", shape(), max_rank);
  const int a = normalize_axis(axis, rank() + 1, "unsqueeze", caller);
  Shape sizes = shape();
  Strides steps = strides();
  steps.insert(a, a < rank() ? sizes[a] * steps[a] : 1);
  sizes.insert(a, 1);
  return record_reshape("unsqueeze", *this, raw::window(*this, sizes, steps, view().offset), caller);
}

Tensor Tensor::flatten(int first, int last, Caller caller) const {
  if (rank() == 0) return reshape({1}, caller);
  const int a = normalize_axis(first, rank(), "flatten", caller);
  const int b = normalize_axis(last, rank(), "flatten", caller);
  if (a > b) raise<ValueError>(caller, "flatten: axis {} comes after axis {}", first, last);
  Shape sizes;
  for (int axis = 0; axis < rank(); ++axis) {
    if (axis > a && axis <= b) {
      sizes[sizes.rank() - 1] *= shape()[axis];
    } else {
      sizes.push_back(shape()[axis]);
    }
  }
  return reshape(sizes, caller);
}

std::vector<Tensor> Tensor::split(int64_t size, int axis, Caller caller) const {
  if (size < 1) raise<ValueError>(caller, "split: size {} is not positive", size);
  const int64_t whole = this->size(axis, caller);
  std::vector<Tensor> pieces;
  for (int64_t start = 0; start < whole || pieces.empty(); start += size) {
    pieces.push_back(slice(axis, start, std::min(start + size, whole), 1, caller));
  }
  return pieces;
}

Tensor Tensor::flip(Axes axes, Caller caller) const {
  Strides steps = strides();
  int64_t offset = view().offset;
  std::array<bool, max_rank> seen{};
  for (int64_t given : axes.list) {
    const int axis = normalize_axis(given, rank(), "flip", caller);
    if (std::exchange(seen[static_cast<size_t>(axis)], true)) {
      raise<ValueError>(caller, "flip: axis {} is named twice", given);
    }
    if (rank() == 0 || shape()[axis] < 2) continue;
    offset += (shape()[axis] - 1) * steps[axis];
    steps[axis] = -steps[axis];
  }
  return record(
      "flip", raw::window(*this, shape(), steps, offset), {*this},
      [axes](const Tensor& g) { return Gradients{g.flip(axes)}; }, caller);
}

Tensor Tensor::contiguous(Caller caller) const { return is_contiguous() ? *this : clone(caller); }

Tensor Tensor::clone(Caller caller) const {
  Tensor out = raw::empty(shape(), options());
  raw::copy(*this, out);
  return record(
      "clone", std::move(out), {*this}, [](const Tensor& g) { return Gradients{g}; }, caller);
}

Tensor Tensor::to(DType dtype, Caller caller) const {
  if (dtype == this->dtype()) return *this;
  Tensor out = raw::convert(*this, dtype);
  if (!is_floating(dtype)) return out;
  return record(
      "to", std::move(out), {*this}, [own = this->dtype()](const Tensor& g) { return Gradients{g.to(own)}; }, caller);
}

Tensor Tensor::to(Device device, Caller caller) const {
  if (device == this->device()) return *this;
  fovea::backend(device, caller);  // a device that is absent is the caller's error
  return record(
      "to", raw::to_device(*this, device), {*this},
      [own = this->device()](const Tensor& g) { return Gradients{g.to(own)}; }, caller);
}

Tensor& Tensor::fill_(double value, Caller caller) {
  autograd::check_in_place(*this, "fill_", caller);
  static const Program fill = [] {
    Program p;
    p.name = "fill";
    p.code = {{Op::scalar}};
    p.outputs = {{0}};
    p.scalars = 1;
    return p;
  }();
  ++buffer()->version;
  raw::map(fill, raw::compute_dtype(dtype()), shape(), {}, {this}, {{value}});
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source, Caller caller) {
  autograd::check_in_place(*this, "copy_", caller);
  if (broadcast_shapes(shape(), source.shape(), "copy_", caller) != shape()) {
    raise<ShapeError>(caller, "copy_: {} does not fit into {}", source.shape(), shape());
  }
  ++buffer()->version;
  raw::copy(source.device() == device() ? raw::unaliased(source, *this) : raw::to_device(source, device()), *this);
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double scale, Caller caller) {
  static const Elementwise f{"add_", [](Expr a, Expr b, Scalar scale) { return a + scale * b; }};
  f.into({this}, {{*this, caller}, {other, caller}, {scale, caller}});
  return *this;
}

Tensor& Tensor::mul_(double factor, Caller caller) {
  static const Elementwise f{"mul_", [](Expr a, Scalar factor) { return a * factor; }};
  f.into({this}, {{*this, caller}, {factor, caller}});
  return *this;
}

Tensor sum_to(const Tensor& x, const Shape& shape, Caller caller) {
  if (x.shape() == shape) return x;
  Axes axes;
  const int offset = x.rank() - shape.rank();
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis < offset || (shape[axis - offset] == 1 && x.shape()[axis] != 1)) axes.list.push_back(axis);
  }
  const Tensor summed = axes.list.rank() == 0 ? x : sum(x, axes, true, caller);
  return summed.reshape(shape, caller);
}

Tensor concat(const std::vector<Tensor>& tensors, int axis, Caller caller) {
  if (tensors.empty()) raise<ValueError>(caller, "concat: no tensors given");
  const Tensor& first = tensors[0];
  const int a = normalize_axis(axis, first.rank(), "concat", caller);
  if (first.rank() == 0) raise<ShapeError>(caller, "concat: scalars have no axis to join; use stack");
  Shape shape = first.shape();
  shape[a] = 0;
  for (const Tensor& x : tensors) {
    Shape expected = x.shape();
    if (x.rank() == first.rank()) expected[a] = first.shape()[a];
    if (expected != first.shape()) {
      raise<ShapeError>(caller, "concat: {} and {} differ beside axis {}", first.shape(), x.shape(), axis);
    }
    raw::check_alike("concat", {&first, &x}, caller);
    shape[a] += x.shape()[a];
  }
  Tensor out = raw::empty(shape, first.options());
  std::vector<int64_t> starts;
  int64_t start = 0;
  for (const Tensor& x : tensors) {
    starts.push_back(start);
    raw::copy(x, raw::window(out, x.shape(), out.strides(), start * out.strides()[a]));
    start += x.shape()[a];
  }
  starts.push_back(start);
  return record(
      "concat", std::vector<Tensor>{out}, tensors,
      [a, starts](std::span<const Tensor> g, Needs needs) {
        Gradients gradients(starts.size() - 1);
        for (size_t i = 0; i < gradients.size(); ++i) {
          if (needs[i]) gradients[i] = g[0].slice(a, starts[i], starts[i + 1]);
        }
        return gradients;
      },
      caller)[0];
}

Tensor stack(const std::vector<Tensor>& tensors, int axis, Caller caller) {
  if (tensors.empty()) raise<ValueError>(caller, "stack: no tensors given");
  std::vector<Tensor> wide;
  for (const Tensor& x : tensors) {
    if (x.shape() != tensors[0].shape()) {
      raise<ShapeError>(caller, "stack: shapes differ: {} and {}", tensors[0].shape(), x.shape());
    }
    wide.push_back(x.unsqueeze(axis, caller));
  }
  return concat(wide, normalize_axis(axis, tensors[0].rank() + 1, "stack", caller), caller);
}

Tensor repeat(const Tensor& x, const Shape& repeats, Caller caller) {
  if (repeats.rank() < x.rank()) {
    raise<ShapeError>(caller, "repeat: {} repeats for a tensor of shape {}", repeats, x.shape());
  }
  Shape own, out;
  const int offset = repeats.rank() - x.rank();
  int pairs = 0;
  for (int axis = 0; axis < repeats.rank(); ++axis) {
    if (repeats[axis] < 0) raise<ValueError>(caller, "repeat: {} is negative", repeats[axis]);
    own.push_back(axis < offset ? 1 : x.shape()[axis - offset]);
    out.push_back(own[axis] * repeats[axis]);
    if (repeats[axis] != 1 && own[axis] != 1) ++pairs;
  }
  Tensor y = x.reshape(own, caller);
  if (own.rank() + pairs <= max_rank) {
    // [r0, s0, r1, s1, ...] by expansion, then pairs joined: one copy.
    Shape narrow, wide;
    for (int axis = 0; axis < own.rank(); ++axis) {
      if (repeats[axis] != 1 && own[axis] != 1) {
        narrow.push_back(1);
        wide.push_back(repeats[axis]);
      }
      narrow.push_back(own[axis]);
      wide.push_back(own[axis] == 1 ? repeats[axis] : own[axis]);
    }
    return y.reshape(narrow, caller).expand(wide, caller).reshape(out, caller);
  }
  Shape done = own;  // too many axes for that: one after the other
  for (int axis = 0; axis < own.rank(); ++axis) {
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < axis; ++i) outer *= done[i];
    for (int i = axis + 1; i < own.rank(); ++i) inner *= done[i];
    done[axis] = out[axis];
    y = y.reshape({outer, 1, own[axis], inner}, caller)
            .expand({outer, repeats[axis], own[axis], inner}, caller)
            .reshape(done, caller);
  }
  return y;
}

Tensor pad(const Tensor& x, std::initializer_list<int64_t> sizes, double value, Caller caller) {
  return pad(x, std::vector<int64_t>(sizes), value, caller);
}

Tensor pad(const Tensor& x, const std::vector<int64_t>& sizes, double value, Caller caller) {
  if (sizes.size() % 2 != 0 || sizes.size() > 2 * static_cast<size_t>(x.rank())) {
    raise<ShapeError>(caller, "pad: {} sizes for a tensor of shape {}", sizes.size(), x.shape());
  }
  Shape shape = x.shape();
  Tensor inner = x;  // cropped where a size is negative
  for (size_t pair = 0; pair < sizes.size() / 2; ++pair) {
    const int axis = x.rank() - 1 - static_cast<int>(pair);
    const int64_t before = sizes[2 * pair], after = sizes[2 * pair + 1];
    if (std::max<int64_t>(-before, 0) + std::max<int64_t>(-after, 0) > shape[axis]) {
      raise<ShapeError>(caller, "pad: axis {} of {} is cropped below 0", axis, x.shape());
    }
    shape[axis] += before + after;
    inner = inner.slice(axis, std::max<int64_t>(-before, 0), x.shape()[axis] - std::max<int64_t>(-after, 0), 1, caller);
  }
  Tensor out = full(shape, value, x.options());
  Strides steps = out.strides();
  int64_t offset = 0;
  for (size_t pair = 0; pair < sizes.size() / 2; ++pair) {
    offset += std::max<int64_t>(sizes[2 * pair], 0) * steps[x.rank() - 1 - static_cast<int>(pair)];
  }
  if (inner.numel() > 0) raw::copy(inner, raw::window(out, inner.shape(), steps, offset));
  return record(
      "pad", std::move(out), {inner},
      [sizes](const Tensor& g) {
        Tensor cropped = g;
        for (size_t pair = 0; pair < sizes.size() / 2; ++pair) {
          const int axis = g.rank() - 1 - static_cast<int>(pair);
          cropped = cropped.slice(axis, std::max<int64_t>(sizes[2 * pair], 0),
                                  g.shape()[axis] - std::max<int64_t>(sizes[2 * pair + 1], 0));
        }
        return Gradients{cropped};
      },
      caller);
}

namespace {

/// 1 where column - row <= diagonal (lower) or >= diagonal, as a bool matrix on x's device.
Tensor band(const Tensor& x, int64_t diagonal, bool lower, const char* name, Caller caller) {
  if (x.rank() < 2) raise<ShapeError>(caller, "{}: needs a matrix, not {}", name, x.shape());
  const TensorOptions options{i32, x.device()};
  const Tensor row = arange(0, static_cast<double>(x.size(-2)), 1, options).unsqueeze(1);
  const Tensor column = arange(0, static_cast<double>(x.size(-1)), 1, options);
  const auto limit = static_cast<double>(diagonal);
  return lower ? le(column - row, limit) : ge(column - row, limit);
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal, Caller caller) {
  if (x.dtype() == boolean) return logical_and(x, band(x, diagonal, true, "tril", caller));
  return where(band(x, diagonal, true, "tril", caller), x, 0.0);
}

Tensor triu(const Tensor& x, int64_t diagonal, Caller caller) {
  if (x.dtype() == boolean) return logical_and(x, band(x, diagonal, false, "triu", caller));
  return where(band(x, diagonal, false, "triu", caller), x, 0.0);
}

}  // namespace fovea
