#include "fovea/autograd/shape_ops.h"

#include <algorithm>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {

Tensor sum_to(const Tensor& x, const Shape& shape, Caller caller) {
  raw::check_defined("sum_to", x, caller);
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
  const ErrorScope scope(caller);
  if (tensors.empty()) raise<ValueError>(caller, "concat: no tensors given");
  for (const Tensor& x : tensors) raw::check_defined("concat", x, caller);
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
  const ErrorScope scope(caller);
  if (tensors.empty()) raise<ValueError>(caller, "stack: no tensors given");
  for (const Tensor& x : tensors) raw::check_defined("stack", x, caller);
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
  const ErrorScope scope(caller);
  raw::check_defined("repeat", x, caller);
  if (repeats.rank() < x.rank()) {
    raise<ShapeError>(caller, "repeat: {} repeats for a tensor of shape {}", repeats, x.shape());
  }
  Shape own, out;
  const int offset = repeats.rank() - x.rank();
  int pairs = 0;
  for (int axis = 0; axis < repeats.rank(); ++axis) {
    if (repeats[axis] < 0) raise<ValueError>(caller, "repeat: {} is negative", repeats[axis]);
    own.push_back(axis < offset ? 1 : x.shape()[axis - offset]);
    int64_t size = 0;
    if (__builtin_mul_overflow(own[axis], repeats[axis], &size)) {
      raise<ShapeError>(caller, "repeat: {} of a tensor of shape {} are too many", repeats, x.shape());
    }
    out.push_back(size);
    if (repeats[axis] != 1 && own[axis] != 1) ++pairs;
  }
  raw::check_shape(out, "repeat", caller);
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
    return y.reshape(narrow, caller).expand(wide, caller).clone(caller).reshape(out, caller);
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

namespace {

/// x with the last `shift` elements of an axis in front, which is from 0 to the axis' size.
Tensor rolled(const Tensor& x, int64_t shift, int axis, Caller caller) {
  const int64_t size = x.shape()[axis];
  Tensor out = raw::empty(x.shape(), x.options());
  const auto move = [&](int64_t from, int64_t to, int64_t count) {
    Shape sizes = x.shape();
    sizes[axis] = count;
    raw::copy(raw::window(x, sizes, x.strides(), x.view().offset + from * x.strides()[axis]),
              raw::window(out, sizes, out.strides(), to * out.strides()[axis]));
  };
  if (shift > 0) move(size - shift, 0, shift);
  if (shift < size) move(0, shift, size - shift);
  return record(
      "roll", std::move(out), {x},
      [back = size - shift, axis](const Tensor& g) { return Gradients{rolled(g, back, axis, {})}; }, caller);
}

}  // namespace

Tensor repeat_interleave(const Tensor& x, int64_t repeats, int axis, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("repeat_interleave", x, caller);
  if (x.rank() == 0) raise<IndexError>(caller, "repeat_interleave: a scalar has no axis {}", axis);
  if (repeats < 0) raise<ValueError>(caller, "repeat_interleave: {} is negative", repeats);
  const int a = normalize_axis(axis, x.rank(), "repeat_interleave", caller);
  Shape times, shape = x.shape();
  for (int i = 0; i <= x.rank(); ++i) times.push_back(i == a + 1 ? repeats : 1);
  if (__builtin_mul_overflow(shape[a], repeats, &shape[a])) {
    raise<ShapeError>(caller, "repeat_interleave: {} of axis {} of {} are too many", repeats, axis, x.shape());
  }
  raw::check_shape(shape, "repeat_interleave", caller);
  return repeat(x.unsqueeze(a + 1, caller), times, caller).reshape(shape, caller);
}

Tensor roll(const Tensor& x, const Shape& shifts, const Axes& axes, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("roll", x, caller);
  if (axes.all()) {
    if (shifts.rank() != 1) raise<ValueError>(caller, "roll: {} shifts and no axes", shifts.rank());
    return roll(x.reshape({-1}, caller), shifts, 0, caller).reshape(x.shape(), caller);
  }
  if (shifts.rank() != axes.list.rank()) {
    raise<ValueError>(caller, "roll: {} shifts for {} axes", shifts.rank(), axes.list.rank());
  }
  if (x.rank() == 0) raise<IndexError>(caller, "roll: a scalar has no axis {}", axes.list[0]);
  Tensor out = x;
  for (int i = 0; i < shifts.rank(); ++i) {
    const int axis = normalize_axis(axes.list[i], x.rank(), "roll", caller);
    const int64_t size = std::max<int64_t>(x.shape()[axis], 1), shift = shifts[i] % size;
    out = rolled(out, shift < 0 ? shift + size : shift, axis, caller);
  }
  return out;
}

Tensor pad(const Tensor& x, std::initializer_list<int64_t> sizes, double value, Caller caller) {
  return pad(x, std::vector<int64_t>(sizes), value, caller);
}

Tensor pad(const Tensor& x, const std::vector<int64_t>& sizes, double value, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("pad", x, caller);
  if (sizes.size() % 2 != 0 || sizes.size() > 2 * static_cast<size_t>(x.rank())) {
    raise<ShapeError>(caller, "pad: {} sizes for a tensor of shape {}", sizes.size(), x.shape());
  }
  Shape shape = x.shape();
  Tensor inner = x;  // cropped where a size is negative
  for (size_t pair = 0; pair < sizes.size() / 2; ++pair) {
    const int axis = x.rank() - 1 - static_cast<int>(pair);
    const int64_t before = sizes[2 * pair], after = sizes[2 * pair + 1], size = shape[axis];
    constexpr int64_t most = int64_t{1} << 60;  // more than any tensor has, and sums of them are none that wrap
    if (before > most || after > most) {
      raise<ShapeError>(caller, "pad: axis {} of {} cannot grow by {} and {}", axis, x.shape(), before, after);
    }
    if (before < -size || after < -size || std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0) < -size) {
      raise<ShapeError>(caller, "pad: axis {} of {} is cropped below 0", axis, x.shape());
    }
    shape[axis] += before + after;
    inner = inner.slice(axis, std::max<int64_t>(-before, 0), x.shape()[axis] - std::max<int64_t>(-after, 0), 1, caller);
  }
  if (x.dtype() == i32 && !is_i32(value)) raise<ValueError>(caller, "pad: {} is no i32 number", value);
  raw::check_shape(shape, "pad", caller);
  Tensor out = full(shape, value, x.options(), caller);
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
  const auto limit = static_cast<double>(std::clamp(diagonal, -x.size(-2), x.size(-1)));
  return lower ? le(column - row, limit) : ge(column - row, limit);
}

/// Whether rows and columns of x can be counted in its own dtype, so that no mask has to be made.
bool counts_in_own_dtype(const Tensor& x) {
  constexpr int64_t most = 1 << 23;  // twice as many are whole numbers of f32
  return x.rank() >= 2 && size_of(x.dtype()) >= 4 && x.size(-2) <= most && x.size(-1) <= most;
}

Tensor columns(const Tensor& x) { return arange(0, static_cast<double>(x.size(-1)), 1, x.options()); }

/// The column of the diagonal in each row, [rows, 1].
Tensor diagonal_columns(const Tensor& x, int64_t diagonal) {
  const int64_t rows = x.size(-2), first = std::clamp(diagonal, -rows, x.size(-1));
  return arange(static_cast<double>(first), static_cast<double>(first + rows), 1, x.options()).unsqueeze(1);
}

/// The order of axes that puts the last of `rank` at `axis`.
Shape with_last_at(int axis, int rank) {
  Shape order;
  for (int i = 0; i < rank - 1; ++i) order.push_back(i);
  order.insert(axis, rank - 1);
  return order;
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal, Caller caller) {
  static const Elementwise f{"tril", [](Expr x, Expr last, Expr column) { return where(column <= last, x, 0.0); }};
  const ErrorScope scope(caller);
  raw::check_defined("tril", x, caller);
  if (x.dtype() == boolean) return logical_and(x, band(x, diagonal, true, "tril", caller));
  if (!counts_in_own_dtype(x)) return where(band(x, diagonal, true, "tril", caller), x, 0.0);
  return f({x, caller}, diagonal_columns(x, diagonal), columns(x));
}

Tensor triu(const Tensor& x, int64_t diagonal, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("triu", x, caller);
  static const Elementwise f{"triu", [](Expr x, Expr first, Expr column) { return where(column >= first, x, 0.0); }};
  if (x.dtype() == boolean) return logical_and(x, band(x, diagonal, false, "triu", caller));
  if (!counts_in_own_dtype(x)) return where(band(x, diagonal, false, "triu", caller), x, 0.0);
  return f({x, caller}, diagonal_columns(x, diagonal), columns(x));
}

Tensor pixel_shuffle(const Tensor& x, int64_t factor, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("pixel_shuffle", x, caller);
  if (factor < 1 || factor > INT32_MAX) raise<ValueError>(caller, "pixel_shuffle: a factor of {}", factor);
  const int channel = x.rank() - 3;
  if (channel < 0 || x.shape()[channel] % (factor * factor) != 0) {
    raise<ShapeError>(caller, "pixel_shuffle: input {} is not [..., channels {}^2, height, width]", x.shape(), factor);
  }
  Shape split, order, joined;
  for (int axis = 0; axis < channel; ++axis) split.push_back(x.shape()[axis]);
  joined = split;
  for (int axis = 0; axis <= channel; ++axis) order.push_back(axis);
  const int64_t channels = x.shape()[channel] / (factor * factor), height = x.size(-2), width = x.size(-1);
  for (const int64_t size : {channels, factor, factor, height, width}) split.push_back(size);
  for (const int64_t size : {channels, height * factor, width * factor}) joined.push_back(size);
  for (const int axis : {3, 1, 4, 2}) order.push_back(channel + axis);
  return x.reshape(split, caller).permute(order, caller).reshape(joined, caller);
}

Tensor slice_scatter(const Tensor& x, const Shape& shape, int axis, int64_t start, int64_t step, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("slice_scatter", x, caller);
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
  raw::copy(x, raw::slice(out, axis, start, step, count));
  const int64_t end = count > 0 ? start + (count - 1) * step + 1 : start;
  return record(
      "slice_scatter", std::move(out), {x},
      [axis, start, end, step](const Tensor& g) { return Gradients{g.slice(axis, start, end, step)}; }, caller);
}

Tensor overlap_add(const Tensor& given, int axis, int64_t length, int64_t step, int64_t dilation, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("overlap_add", given, caller);
  if (given.dtype() == boolean) raise<DTypeError>(caller, "overlap_add: needs numbers, not bool");
  if (given.rank() < 2) raise<ShapeError>(caller, "overlap_add: {} is not [..., windows, ..., size]", given.shape());
  const int last = given.rank() - 1, a = normalize_axis(axis, last, "overlap_add", caller);
  const int64_t windows = given.shape()[a], size = given.shape()[last];
  if (step < 1 || dilation < 1) {
    raise<ValueError>(caller, "overlap_add: step {} and dilation {} must be at least 1", step, dilation);
  }
  if (windows < 1 || size < 1 || length < 1 || size - 1 > (length - 1) / dilation ||
      windows - 1 > (length - 1 - dilation * (size - 1)) / step) {
    raise<ShapeError>(caller, "overlap_add: {} windows of {} elements do not fit an axis of {} in steps of {} and {}",
                      windows, size, length, step, dilation);
  }
  Tensor out = [&] {
    const NoGrad off;
    const Tensor x = given.dtype() == i32 ? given : widened(given);
    Shape shape = x.shape();
    shape[a] = length;
    shape.erase(last);
    raw::check_shape(shape, "overlap_add", caller);
    Tensor sums = zeros(shape, x.options());
    // The elements of one place of all windows, or those of one window, have places of their own.
    const bool by_window = windows < size;
    for (int64_t i = 0; i < std::min(windows, size); ++i) {
      const int64_t first = i * (by_window ? step : dilation), apart = by_window ? dilation : step;
      const Tensor part = by_window ? x.select(a, i) : x.select(last, i);
      const int64_t count = std::max(windows, size);
      const Tensor places = sums.slice(a, first, first + (count - 1) * apart + 1, apart);
      raw::accumulate(places, by_window ? part.permute(with_last_at(a, last)) : part);
    }
    return sums.to(given.dtype());
  }();
  return record(
      "overlap_add", std::move(out), {given},
      [a, windows, size, step, dilation](const Tensor& g) {
        return Gradients{g.unfold(a, size, step, dilation).slice(a, 0, windows)};
      },
      caller);
}

Tensor diagonal_scatter(const Tensor& x, const Shape& shape, int64_t offset, int axis0, int axis1, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_defined("diagonal_scatter", x, caller);
  Tensor out = zeros(shape, x.options());
  const Tensor written = out.diagonal(offset, axis0, axis1, caller);
  if (x.shape() != written.shape()) {
    raise<ShapeError>(caller, "diagonal_scatter: {} does not fit diagonal {} of axes {} and {} of {}", x.shape(),
                      offset, axis0, axis1, shape);
  }
  raw::copy(x, written);
  return record(
      "diagonal_scatter", std::move(out), {x},
      [offset, axis0, axis1](const Tensor& g) { return Gradients{g.diagonal(offset, axis0, axis1)}; }, caller);
}

}  // namespace fovea
