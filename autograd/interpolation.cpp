#include "fovea/autograd/interpolation.h"

#include <algorithm>

#include "fovea/autograd/band.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

/// `axis` of x with `size` elements.
Tensor stretch(const Tensor& x, int axis, int64_t size, InterpolateOptions options, Caller caller) {
  const int64_t given = x.shape()[axis];
  const auto in = static_cast<double>(given), out = static_cast<double>(size);
  autograd::Band band(given, size, options.mode == Interpolation::linear ? 2 * size : size, "interpolate");
  for (int64_t i = 0; i < size; ++i) {
    if (options.mode != Interpolation::linear) {
      band.add(options.mode == Interpolation::nearest ? i * given / size : (2 * i + 1) * given / (2 * size), {1});
      continue;
    }
    const auto at = static_cast<double>(i);
    double position = 0;
    if (!options.align_corners) {
      position = std::max((at + 0.5) * (in / out) - 0.5, 0.0);
    } else if (size > 1) {
      position = at * (in - 1) / (out - 1);
    }
    const int64_t first = std::min(static_cast<int64_t>(position), given - 1);
    const double part = position - static_cast<double>(first);
    if (part == 0 || first + 1 == given) {
      band.add(first, {1});
    } else {
      band.add(first, {1 - part, part});
    }
  }
  return band.times(x, axis, "interpolate", caller);
}

}  // namespace

Tensor interpolate(const Tensor& given, const Shape& size, InterpolateOptions options, Caller caller) {
  const ErrorScope scope(caller);
  raw::check_floating("interpolate", given, caller);
  const int space = size.rank();
  if (space < 1 || (given.rank() != space + 1 && given.rank() != space + 2)) {
    raise<ShapeError>(caller, "interpolate: input {} is not [batch, channels, space...] for a space of {}",
                      given.shape(), size);
  }
  if (options.align_corners && options.mode != Interpolation::linear) {
    raise<ValueError>(caller, "interpolate: nearest elements have no corners to align; align_corners is for linear");
  }
  Tensor x = widened(given);
  const int first = x.rank() - space;
  const int64_t most = options.mode == Interpolation::linear ? INT32_MAX / 2 : INT32_MAX;  // each is made of one or two
  Shape made = x.shape();
  for (int axis = 0; axis < space; ++axis) {
    made[first + axis] = size[axis];
    if (size[axis] < 1 || size[axis] > most) {
      raise<ValueError>(caller, "interpolate: a space of {}; its sizes must lie between 1 and {}", size, most);
    }
    if (const int64_t own = x.shape()[first + axis]; own < 1 || own > INT32_MAX) {
      raise<ShapeError>(caller, "interpolate: a space of {} elements in input {}", own, given.shape());
    }
  }
  raw::check_shape(made, "interpolate", caller);
  // The last axis, which is read element by element, where there are fewer of them.
  const bool shrinks = made.numel() < x.numel();
  for (int i = 0; i < space; ++i) {
    const int axis = shrinks ? first + i : x.rank() - 1 - i;
    if (made[axis] != x.shape()[axis]) x = stretch(x, axis, made[axis], options, caller);
  }
  x = x.to(given.dtype());
  return x.impl() == given.impl() ? x.clone() : x;
}

}  // namespace fovea
