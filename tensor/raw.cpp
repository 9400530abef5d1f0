#include "fovea/tensor/raw.h"

#include <vector>

#include "fovea/backends/recording.h"
#include "fovea/tensor/axis_order.h"
#include "fovea/tensor/creation.h"

namespace fovea::raw {
namespace {

const Program& identity() {
  static const Program program = program_of("copy", Op::input);
  return program;
}

const Program& sum_of_two() {
  static const Program program = program_of("accumulate", Op::add);
  return program;
}

/// A conversion is done in the wider of the two kinds.
DType conversion_dtype(DType from, DType to) {
  if (from == f64 || to == f64) return f64;
  return is_floating(from) || is_floating(to) ? f32 : i32;
}

/// The values rounded to T.
template <class T>
Tensor rounded(const std::vector<double>& values, const Shape& shape, Device device) {
  std::vector<T> stored;
  stored.reserve(values.size());
  for (const double value : values) {
    if constexpr (std::same_as<T, Half> || std::same_as<T, BFloat16>) {
      stored.push_back(T(static_cast<float>(value)));
    } else if constexpr (std::same_as<T, bool>) {
      stored.push_back(value != 0);
    } else {
      stored.push_back(static_cast<T>(value));
    }
  }
  return from_vector(stored, shape, device);
}

}  // namespace

void check_shape(const Shape& shape, const char* name, Caller caller) {
  int64_t bytes = size_of(DType::f64);  // of the widest element
  bool fits = true;
  for (int64_t size : shape) {
    if (size < 0) raise<ShapeError>(caller, "{}: a size of {} is negative", name, shape);
    fits = fits && !__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes);  // strides are products too
  }
  if (!fits) raise<ShapeError>(caller, "{}: {} has too many elements", name, shape);
}

void check_dtype(TensorOptions options, const char* name, Caller caller) {
  if (options.dtype != f64 || options.device.kind == Device::Kind::cpu) return;
  raise<DTypeError>(caller, "{}: {} has no f64, which is for the CPU; convert with .to(f32)", name, options.device);
}

void refuse_undefined(const char* name, Caller caller) {
  raise<ValueError>(caller, "{}: an undefined tensor is used", name);
}

void check_alike(const char* name, std::initializer_list<const Tensor*> tensors, Caller caller) {
  const Tensor& first = **tensors.begin();
  check_defined(name, first, caller);
  check_recorded_device(name, first.backend(), caller);
  for (const Tensor* x : tensors) {
    if (!x->defined()) continue;
    if (x->dtype() != first.dtype()) {
      raise<DTypeError>(caller, "{}: dtypes differ: {} and {}; convert one with .to()", name, first.dtype(),
                        x->dtype());
    }
    if (&x->backend() != &first.backend()) {
      raise<DeviceError>(caller, "{}: tensors are on {} and {}; move one with .to()", name, first.device(),
                         x->device());
    }
  }
}

void check_floating(const char* name, const Tensor& x, Caller caller) {
  check_defined(name, x, caller);
  check_recorded_device(name, x.backend(), caller);
  if (is_floating(x.dtype())) return;
  raise<DTypeError>(caller, "{}: needs a floating dtype, not {}; convert with .to(f32)", name, x.dtype());
}

Tensor from_host(const std::vector<double>& values, const Shape& shape, TensorOptions options) {
  switch (options.dtype) {
    case DType::f64:
      return from_vector(values, shape, options.device);
    case DType::f16:
      return rounded<Half>(values, shape, options.device);
    case DType::bf16:
      return rounded<BFloat16>(values, shape, options.device);
    case DType::i32:
      return rounded<int32_t>(values, shape, options.device);
    case DType::boolean:
      return rounded<bool>(values, shape, options.device);
    default:
      return rounded<float>(values, shape, options.device);
  }
}

Tensor empty(const Shape& shape, TensorOptions options) {
  int64_t bytes = size_of(options.dtype);
  bool fits = true;
  for (int64_t size : shape) fits &= !__builtin_mul_overflow(bytes, size, &bytes);
  if (!fits || bytes < 0) check_shape(shape, "empty", {"", 0});
  auto* impl = new TensorImpl;
  Tensor out(impl);
  impl->buffer = fovea::backend(options.device).allocate(static_cast<size_t>(bytes));
  impl->view = {impl->buffer.get(), 0, options.dtype, shape, contiguous_strides(shape)};
  return out;
}

Tensor window(const Tensor& base, const Shape& shape, const Strides& strides, int64_t offset) {
  auto* impl = new TensorImpl;
  Tensor out(impl);
  impl->buffer = base.buffer();
  impl->view = {impl->buffer.get(), offset, base.dtype(), shape, strides};
  return out;
}

Tensor slice(const Tensor& x, int axis, int64_t start, int64_t step, int64_t count) {
  Shape sizes = x.shape();
  Strides steps = x.strides();
  const int64_t offset = x.view().offset + (count > 0 ? start * steps[axis] : 0);
  sizes[axis] = count;
  if (count > 1) steps[axis] *= step;  // or it may be any number
  return window(x, sizes, steps, offset);
}

Tensor try_reshape(const Tensor& x, const Shape& shape) {
  const View& view = x.view();
  if (view.is_contiguous()) return window(x, shape, contiguous_strides(shape), view.offset);
  Shape old;  // without axes of size 1, which fit anywhere
  Strides old_strides;
  for (int axis = 0; axis < view.rank(); ++axis) {
    if (view.shape[axis] == 1) continue;
    old.push_back(view.shape[axis]);
    old_strides.push_back(view.strides[axis]);
  }
  // From the inside out: the new axes must cover whole runs of old axes that step evenly.
  Strides strides = shape;
  int axis = shape.rank() - 1;
  for (int end = old.rank() - 1; end >= 0;) {
    int64_t run = old[end];
    int64_t stride = old_strides[end];
    int outer = end - 1;
    while (outer >= 0 && old_strides[outer] == stride * run) run *= old[outer--];
    int64_t covered = 1;
    for (; axis >= 0 && covered < run; --axis) {
      strides[axis] = stride;
      stride *= shape[axis];
      covered *= shape[axis];
    }
    if (covered != run) return {};
    end = outer;
  }
  for (; axis >= 0; --axis) strides[axis] = 1;
  return window(x, shape, strides, view.offset);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  Strides strides = shape;
  const int offset = shape.rank() - x.rank();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool own = axis >= offset && x.shape()[axis - offset] == shape[axis];
    strides[axis] = own ? x.strides()[axis - offset] : 0;
  }
  return window(x, shape, strides, x.view().offset);
}

void map(const Program& program, DType compute, const Shape& space, std::initializer_list<const Tensor*> inputs,
         std::initializer_list<const Tensor*> outputs, std::span<const double> scalars) {
  std::vector<const View*> in, out;
  for (const Tensor* x : inputs) in.push_back(&x->view());
  for (const Tensor* x : outputs) out.push_back(&x->view());
  (*outputs.begin())->backend().map({program, compute, space, in, out, scalars});
}

void copy(const Tensor& source, const Tensor& destination) {
  map(identity(), conversion_dtype(source.dtype(), destination.dtype()), destination.shape(), {&source},
      {&destination});
}

void check_writable(const Tensor& x, const char* operation, Caller caller) {
  if (x.is_contiguous() || x.numel() == 0) return;
  // By rising strides: each axis must step over all that those before it reach.
  Shape sizes;
  Strides steps;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x.shape()[axis] == 1) continue;
    const int64_t step = std::abs(x.strides()[axis]);
    int at = steps.rank();
    while (at > 0 && steps[at - 1] > step) --at;
    steps.insert(at, step);
    sizes.insert(at, x.shape()[axis]);
  }
  int64_t reach = 0;
  for (int axis = 0; axis < steps.rank(); ++axis) {
    if (steps[axis] <= reach) {
      raise<ValueError>(caller, "{}: cannot write into {} with strides {}: elements repeat; clone it first", operation,
                        x.shape(), x.strides());
    }
    reach += (sizes[axis] - 1) * steps[axis];
  }
}

Tensor unaliased(const Tensor& source, const Tensor& destination) {
  if (source.buffer().get() != destination.buffer().get()) return source;
  const View &from = source.view(), &to = destination.view();
  if (from.offset == to.offset && from.shape == to.shape && from.strides == to.strides) return source;
  if (from.numel() == 0 || to.numel() == 0) return source;
  const auto [from_first, from_last] = from.reach();
  const auto [to_first, to_last] = to.reach();
  return from_last < to_first || to_last < from_first ? source : clone(source);
}

Tensor contiguous(const Tensor& x) { return !x.defined() || x.is_contiguous() ? x : clone(x); }

Tensor clone(const Tensor& x) {
  Tensor out = raw::empty(x.shape(), x.options());
  copy(x, out);
  return out;
}

Tensor convert(const Tensor& x, DType dtype) {
  const Tensor* const input = &x;
  const auto order = AxisOrder::of_inputs(x.shape(), {&input, 1});
  Tensor out = raw::empty(order ? order->of(x.shape()) : x.shape(), {dtype, x.device()});
  if (order) order->restore(out);
  copy(x, out);
  return out;
}

Tensor to_device(const Tensor& x, Device device) {
  const Tensor dense = contiguous(x);
  Tensor out = raw::empty(x.shape(), {x.dtype(), device});
  const size_t bytes = static_cast<size_t>(x.numel()) * size_of(x.dtype());
  const size_t offset = static_cast<size_t>(dense.view().offset) * size_of(x.dtype());
  if (bytes == 0) return out;
  if (std::byte* host = dense.buffer()->host()) {
    out.backend().write(*out.buffer(), 0, host + offset, bytes);
  } else {
    std::vector<std::byte> staging(bytes);
    dense.backend().read(*dense.buffer(), offset, staging.data(), bytes);
    out.backend().write(*out.buffer(), 0, staging.data(), bytes);
  }
  return out;
}

DType compute_dtype(DType dtype) {
  if (dtype == f64) return f64;
  return is_floating(dtype) ? f32 : i32;
}

void accumulate(const Tensor& accumulator, const Tensor& x) {
  map(sum_of_two(), compute_dtype(accumulator.dtype()), accumulator.shape(), {&accumulator, &x}, {&accumulator});
}

}  // namespace fovea::raw
