#include <algorithm>
#include <array>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

// Tensor's members that autograd knows: views, copies, changes in place.
namespace fovea {
namespace {

/// Axis -> where it came from: permute(inverse) undoes permute(axes).
Shape inverse_permutation(const Shape& axes) {
  Shape inverse = axes;
  for (int i = 0; i < axes.rank(); ++i) inverse[static_cast<int>(axes[i])] = i;
  return inverse;
}

/// Pieces of x as one operation, so that their gradients are joined in one go and not each written among zeros.
template <class Join>
std::vector<Tensor> record_pieces(const char* name, const Tensor& x, std::vector<Tensor> pieces, Join join,
                                  Caller caller) {
  std::vector<Shape> shapes;
  for (const Tensor& piece : pieces) shapes.push_back(piece.shape());
  return record(
      name, std::move(pieces), {&x, 1},
      [shapes = std::move(shapes), options = x.options(), join](std::span<const Tensor> g, Needs) {
        std::vector<Tensor> all(g.begin(), g.end());
        for (size_t i = 0; i < all.size(); ++i) {
          if (!all[i].defined()) all[i] = zeros(shapes[i], options);  // nothing used it
        }
        return Gradients{join(all)};
      },
      caller);
}

/// Zeros of `shape` but for what the slice read.
struct SliceBackward {
  Shape shape;
  int axis;
  int64_t start, step;

  Gradients operator()(const Tensor& g) const { return {slice_scatter(g, shape, axis, start, step)}; }
  void accumulate(const Tensor& g, const Tensor& sum) const {
    raw::accumulate(raw::slice(sum, axis, start, step, g.shape()[axis]), g);
  }
};

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
  raw::check_defined("reshape", *this, caller);
  const Shape full = complete(shape, *this, "reshape", caller);
  Tensor out = raw::try_reshape(*this, full);
  if (!out.defined()) {
    const ErrorScope scope(caller);
    out = raw::try_reshape(raw::contiguous(*this), full);
  }
  return record_reshape("reshape", *this, std::move(out), caller);
}

Tensor Tensor::view(const Shape& shape, Caller caller) const {
  raw::check_defined("view", *this, caller);
  const Shape full = complete(shape, *this, "view", caller);
  Tensor out = raw::try_reshape(*this, full);
  if (!out.defined()) {
    raise<ShapeError>(caller, "view: {} with strides {} cannot be seen as {} without a copy; use reshape",
                      this->shape(), strides(), full);
  }
  return record_reshape("view", *this, std::move(out), caller);
}

Tensor Tensor::permute(const Shape& axes, Caller caller) const {
  raw::check_defined("permute", *this, caller);
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
  raw::check_defined("transpose", *this, caller);
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
  raw::check_defined("slice", *this, caller);
  const int a = normalize_axis(axis, rank(), "slice", caller);
  if (rank() == 0) raise<IndexError>(caller, "slice: a scalar has no axis {}", axis);
  if (step < 1) raise<ValueError>(caller, "slice: step {} is not positive", step);
  const int64_t size = shape()[a];
  const auto bound = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t first = bound(start);
  const int64_t last = std::max(first, bound(end));
  const int64_t count = last > first ? (last - first - 1) / step + 1 : 0;
  return record("slice", raw::slice(*this, a, first, step, count), {*this}, SliceBackward{shape(), a, first, step},
                caller);
}

Tensor Tensor::select(int axis, int64_t index, Caller caller) const {
  raw::check_defined("select", *this, caller);
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
  raw::check_defined("expand", *this, caller);
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
  raw::check_defined("squeeze", *this, caller);
  Shape sizes;
  for (int64_t size : shape()) {
    if (size != 1) sizes.push_back(size);
  }
  return record_reshape("squeeze", *this, raw::try_reshape(*this, sizes), caller);
}

Tensor Tensor::squeeze(int axis, Caller caller) const {
  raw::check_defined("squeeze", *this, caller);
  const int a = normalize_axis(axis, rank(), "squeeze", caller);
  if (rank() == 0 || shape()[a] != 1) return *this;
  Shape sizes = shape();
  Strides steps = strides();
  sizes.erase(a);
  steps.erase(a);
  return record_reshape("squeeze", *this, raw::window(*this, sizes, steps, view().offset), caller);
}

Tensor Tensor::unsqueeze(int axis, Caller caller) const {
  raw::check_defined("unsqueeze", *this, caller);
  if (rank() == max_rank) raise<ShapeError>(caller, "unsqueeze: {} has {} axes already", shape(), max_rank);
  const int a = normalize_axis(axis, rank() + 1, "unsqueeze", caller);
  Shape sizes = shape();
  Strides steps = strides();
  steps.insert(a, a < rank() ? sizes[a] * steps[a] : 1);
  sizes.insert(a, 1);
  return record_reshape("unsqueeze", *this, raw::window(*this, sizes, steps, view().offset), caller);
}

Tensor Tensor::flatten(int first, int last, Caller caller) const {
  raw::check_defined("flatten", *this, caller);
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
  raw::check_defined("split", *this, caller);
  if (size < 1) raise<ValueError>(caller, "split: size {} is not positive", size);
  const int64_t whole = this->size(axis, caller);
  const int a = normalize_axis(axis, rank(), "split", caller);
  std::vector<Tensor> pieces;
  for (int64_t start = 0; start < whole || pieces.empty(); start += size) {
    Shape sizes = shape();
    sizes[a] = std::min(size, whole - start);
    pieces.push_back(raw::window(*this, sizes, strides(), view().offset + start * strides()[a]));
  }
  return record_pieces(
      "split", *this, std::move(pieces), [a](const std::vector<Tensor>& g) { return concat(g, a); }, caller);
}

std::vector<Tensor> Tensor::chunk(int64_t n, int axis, Caller caller) const {
  raw::check_defined("chunk", *this, caller);
  if (n < 1) raise<ValueError>(caller, "chunk: {} pieces; there must be at least 1", n);
  const int64_t whole = this->size(axis, caller);
  return split(std::max<int64_t>(whole / n + (whole % n != 0), 1), axis, caller);
}

std::vector<Tensor> Tensor::unbind(int axis, Caller caller) const {
  raw::check_defined("unbind", *this, caller);
  const int a = normalize_axis(axis, rank(), "unbind", caller);
  if (rank() == 0) raise<IndexError>(caller, "unbind: a scalar has no axis {}", axis);
  Shape sizes = shape();
  Strides steps = strides();
  sizes.erase(a);
  steps.erase(a);
  std::vector<Tensor> pieces;
  for (int64_t i = 0; i < shape()[a]; ++i) {
    pieces.push_back(raw::window(*this, sizes, steps, view().offset + i * strides()[a]));
  }
  return record_pieces(
      "unbind", *this, std::move(pieces), [a](const std::vector<Tensor>& g) { return stack(g, a); }, caller);
}

Tensor Tensor::flip(Axes axes, Caller caller) const {
  raw::check_defined("flip", *this, caller);
  Strides steps = strides();
  int64_t offset = view().offset;
  const auto flipped = chosen_axes(axes, rank(), "flip", caller);
  for (int axis = 0; axis < rank() && !axes.all(); ++axis) {
    if (!flipped[static_cast<size_t>(axis)] || shape()[axis] < 2) continue;
    offset += (shape()[axis] - 1) * steps[axis];
    steps[axis] = -steps[axis];
  }
  return record(
      "flip", raw::window(*this, shape(), steps, offset), {*this},
      [axes](const Tensor& g) { return Gradients{g.flip(axes)}; }, caller);
}

Tensor Tensor::diagonal(int64_t offset, int axis0, int axis1, Caller caller) const {
  raw::check_defined("diagonal", *this, caller);
  if (rank() < 2) raise<ShapeError>(caller, "diagonal: needs a matrix, not {}", shape());
  const int a = normalize_axis(axis0, rank(), "diagonal", caller);
  const int b = normalize_axis(axis1, rank(), "diagonal", caller);
  if (a == b) raise<ValueError>(caller, "diagonal: axes {} and {} are the same", axis0, axis1);
  const int64_t rows = shape()[a], columns = shape()[b];
  int64_t length = 0, first = view().offset;
  if (offset > -rows && offset < columns) {
    length = std::min(rows + std::min<int64_t>(offset, 0), columns - std::max<int64_t>(offset, 0));
    first += offset < 0 ? -offset * strides()[a] : offset * strides()[b];
  }
  Shape sizes = shape();
  Strides steps = strides();
  for (const int axis : {std::max(a, b), std::min(a, b)}) {
    sizes.erase(axis);
    steps.erase(axis);
  }
  sizes.push_back(length);
  steps.push_back(strides()[a] + strides()[b]);
  return record(
      "diagonal", raw::window(*this, sizes, steps, first), {*this},
      [shape = shape(), offset, a, b](const Tensor& g) { return Gradients{diagonal_scatter(g, shape, offset, a, b)}; },
      caller);
}

Tensor Tensor::unfold(int axis, int64_t size, int64_t step, int64_t dilation, Caller caller) const {
  raw::check_defined("unfold", *this, caller);
  const int a = normalize_axis(axis, rank(), "unfold", caller);
  if (rank() == 0) raise<IndexError>(caller, "unfold: a scalar has no axis {}", axis);
  if (rank() == max_rank) raise<ShapeError>(caller, "unfold: {} has {} axes already", shape(), max_rank);
  if (size < 1 || step < 1 || dilation < 1) {
    raise<ValueError>(caller, "unfold: size {}, step {} and dilation {} must be at least 1", size, step, dilation);
  }
  const int64_t length = shape()[a];
  if (length == 0 || size - 1 > (length - 1) / dilation) {
    raise<ShapeError>(caller, "unfold: a window of {} elements {} apart is longer than axis {} of {}", size, dilation,
                      axis, shape());
  }
  Shape sizes = shape();
  Strides steps = strides();
  sizes[a] = (length - 1 - dilation * (size - 1)) / step + 1;
  sizes.push_back(size);
  steps.push_back(size > 1 ? strides()[a] * dilation : 1);
  if (sizes[a] > 1) steps[a] *= step;  // or it may be any number
  raw::check_shape(sizes, "unfold", caller);
  return record(
      "unfold", raw::window(*this, sizes, steps, view().offset), {*this},
      [length, a, step, dilation](const Tensor& g) { return Gradients{overlap_add(g, a, length, step, dilation)}; },
      caller);
}

Tensor Tensor::contiguous(Caller caller) const {
  raw::check_defined("contiguous", *this, caller);
  return is_contiguous() ? *this : clone(caller);
}

Tensor Tensor::clone(Caller caller) const {
  const ErrorScope scope(caller);
  raw::check_alike("clone", {this}, caller);
  Tensor out = raw::empty(shape(), options());
  raw::copy(*this, out);
  return record(
      "clone", std::move(out), {*this}, [](const Tensor& g) { return Gradients{g}; }, caller);
}

Tensor Tensor::to(DType dtype, Caller caller) const {
  raw::check_defined("to", *this, caller);
  if (dtype == this->dtype()) return *this;
  const ErrorScope scope(caller);
  raw::check_dtype({dtype, device()}, "to", caller);
  Tensor out = raw::convert(*this, dtype);
  if (!is_floating(dtype)) return out;
  return record(
      "to", std::move(out), {*this}, [own = this->dtype()](const Tensor& g) { return Gradients{g.to(own)}; }, caller);
}

Tensor Tensor::to(Device device, Caller caller) const {
  raw::check_defined("to", *this, caller);
  if (device == this->device()) return *this;
  const ErrorScope scope(caller);
  fovea::backend(device, caller);  // a device that is absent is the caller's error
  raw::check_dtype({dtype(), device}, "to", caller);
  return record(
      "to", raw::to_device(*this, device), {*this},
      [own = this->device()](const Tensor& g) { return Gradients{g.to(own)}; }, caller);
}

Tensor& Tensor::fill_(double value, Caller caller) {
  autograd::check_in_place(*this, "fill_", caller);
  static const Program fill = program_of("fill", Op::scalar);
  ++buffer()->version;
  raw::map(fill, raw::compute_dtype(dtype()), shape(), {}, {this}, {{value}});
  return *this;
}

Tensor& Tensor::copy_(const Tensor& source, Caller caller) {
  autograd::check_in_place(*this, "copy_", caller);
  raw::check_defined("copy_", source, caller);
  autograd::check_read_in_place(source, "copy_", caller);
  if (broadcast_shapes(shape(), source.shape(), "copy_", caller) != shape()) {
    raise<ShapeError>(caller, "copy_: {} does not fit into {}", source.shape(), shape());
  }
  ++buffer()->version;
  if (source.device() == device()) {
    raw::copy(raw::unaliased(source, *this), *this);
  } else {
    // Converted on the CPU where only it has the source's dtype.
    raw::copy(raw::to_device(source.dtype() == f64 ? raw::convert(source, dtype()) : source, device()), *this);
  }
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

}  // namespace fovea
