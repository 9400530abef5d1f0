#include "fovea/autograd/windows.h"

#include <algorithm>
#include <limits>

#include "fovea/autograd/graph.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"

namespace fovea {
namespace {

Shape framed_shape(const Shape& x, const WindowSteps& steps) {
  return {x[0], x[1], x[2] + 2 * steps.padding[0], x[3] + 2 * steps.padding[1]};
}

/// The part of a framed image inside its frame.
Tensor inside(const Tensor& framed, const WindowSteps& steps, const Shape& shape) {
  const Strides& s = framed.strides();
  return raw::window(framed, shape, s, framed.view().offset + steps.padding[0] * s[2] + steps.padding[1] * s[3]);
}

/// x with `value` around it, as wide as the steps' padding.
Tensor frame(const Tensor& x, const WindowSteps& steps, double value) {
  if (steps.padding[0] == 0 && steps.padding[1] == 0) return x;
  const Tensor framed = full(framed_shape(x.shape(), steps), value, x.options());
  raw::copy(x, inside(framed, steps, x.shape()));
  return framed;
}

/// The view [batch, channels, oh, ow, kh, kw] of every window of a framed image.
Tensor windows(const PoolForm& f, const Tensor& framed) {
  const Strides& s = framed.strides();
  return raw::window(framed, {f.y[0], f.y[1], f.y[2], f.y[3], f.kernel[0], f.kernel[1]},
                     {s[0], s[1], s[2] * f.steps.stride[0], s[3] * f.steps.stride[1], s[2] * f.steps.dilation[0],
                      s[3] * f.steps.dilation[1]},
                     framed.view().offset);
}

/// For each element of x the sum of the elements of `taps` [batch, channels, kh, kw, oh, ow] that read it.
void add_windows(const Tensor& taps, const WindowSteps& steps, const Tensor& x) {
  const Tensor framed = zeros(framed_shape(x.shape(), steps), x.options());
  const Shape& t = taps.shape();
  const Strides &from = taps.strides(), &to = framed.strides();
  for (int64_t p = 0; p < t[2]; ++p) {
    for (int64_t q = 0; q < t[3]; ++q) {
      const Tensor read = raw::window(taps, {t[0], t[1], t[4], t[5]}, {from[0], from[1], from[4], from[5]},
                                      taps.view().offset + p * from[2] + q * from[3]);
      const Tensor written = raw::window(
          framed, {t[0], t[1], t[4], t[5]}, {to[0], to[1], to[2] * steps.stride[0], to[3] * steps.stride[1]},
          framed.view().offset + p * steps.dilation[0] * to[2] + q * steps.dilation[1] * to[3]);
      raw::accumulate(written, read);
    }
  }
  raw::copy(inside(framed, steps, x.shape()), x);
}

/// [batch, groups, in * taps, positions]: what each tap of a convolution's kernel reads at each position.
Tensor columns(const ConvolutionForm& f, const Tensor& x) {
  const Tensor framed = frame(x, f.steps, 0);
  const Strides s = framed.strides();
  const Tensor view = raw::window(framed, {f.batch(), f.groups, f.in(), f.weight[2], f.weight[3], f.y[2], f.y[3]},
                                  {s[0], s[1] * f.in(), s[1], s[2] * f.steps.dilation[0], s[3] * f.steps.dilation[1],
                                   s[2] * f.steps.stride[0], s[3] * f.steps.stride[1]},
                                  framed.view().offset);
  return raw::try_reshape(raw::contiguous(view), {f.batch(), f.groups, f.in() * f.taps(), f.positions()});
}

/// c = a b, batch axes of size 1 repeated to c's.
void multiply(const Tensor& a, const Tensor& b, const Tensor& c) {
  const Shape &sa = a.shape(), &sb = b.shape(), &sc = c.shape();
  const Tensor left = raw::expand(a, {sc[0], sc[1], sa[2], sa[3]});
  const Tensor right = raw::expand(b, {sc[0], sc[1], sb[2], sb[3]});
  c.backend().matmul({left.view(), right.view(), c.view()});
}

Tensor transposed(const Tensor& x) {
  const Shape& s = x.shape();
  const Strides& t = x.strides();
  return raw::window(x, {s[0], s[1], s[3], s[2]}, {t[0], t[1], t[3], t[2]}, x.view().offset);
}

/// The position in its plane of every tap of every window, [1, 1, oh, ow, kh * kw]; one outside is held at the edge.
Tensor tap_positions(const PoolForm& f, Device device) {
  std::vector<int32_t> table;
  table.reserve(static_cast<size_t>(f.y[2] * f.y[3] * f.kernel[0] * f.kernel[1]));
  const auto place = [&](int axis, int64_t position, int64_t tap) {
    const int64_t i = position * f.steps.stride[axis] + tap * f.steps.dilation[axis] - f.steps.padding[axis];
    return std::clamp<int64_t>(i, 0, f.x[2 + axis] - 1);
  };
  for (int64_t i = 0; i < f.y[2]; ++i) {
    for (int64_t j = 0; j < f.y[3]; ++j) {
      for (int64_t p = 0; p < f.kernel[0]; ++p) {
        for (int64_t q = 0; q < f.kernel[1]; ++q) {
          table.push_back(static_cast<int32_t>(place(0, i, p) * f.x[3] + place(1, j, q)));
        }
      }
    }
  }
  return from_vector(table, {1, 1, f.y[2], f.y[3], f.kernel[0] * f.kernel[1]}, device);
}

}  // namespace

void convolve_by_windows(ConvolutionCall::Product product, const ConvolutionForm& f, const Tensor& x,
                         const Tensor& weight, const Tensor& y) {
  const Shape grouped_y{f.batch(), f.groups, f.out(), f.positions()};
  const Shape grouped_weight{1, f.groups, f.out(), f.in() * f.taps()};
  switch (product) {
    case ConvolutionCall::Product::y:
      return multiply(raw::try_reshape(weight, grouped_weight), columns(f, x), raw::try_reshape(y, grouped_y));
    case ConvolutionCall::Product::weight: {
      const NoGrad off;
      const Tensor each = raw::empty({f.batch(), f.groups, f.out(), f.in() * f.taps()}, x.options());
      multiply(raw::try_reshape(y, grouped_y), transposed(columns(f, x)), each);
      return raw::copy(sum(each, 0, true), raw::try_reshape(weight, grouped_weight));
    }
    case ConvolutionCall::Product::x: {
      const Tensor read = raw::empty({f.batch(), f.groups, f.in() * f.taps(), f.positions()}, y.options());
      multiply(transposed(raw::try_reshape(weight, grouped_weight)), raw::try_reshape(y, grouped_y), read);
      const Shape taps{f.batch(), f.groups * f.in(), f.weight[2], f.weight[3], f.y[2], f.y[3]};
      return add_windows(raw::try_reshape(read, taps), f.steps, x);
    }
  }
}

Tensor greatest_by_windows(const PoolForm& f, const Tensor& x) {
  const NoGrad off;
  const Tensor taps = raw::contiguous(windows(f, frame(x, f.steps, -std::numeric_limits<double>::infinity())));
  const int64_t count = f.kernel[0] * f.kernel[1];
  const Tensor flat = taps.reshape({f.x[0], f.x[1], f.y[2], f.y[3], count});
  const Tensor last = static_cast<double>(count - 1) - argmax(flat.flip(-1), -1, true);
  const Tensor winner = where(any(isnan(flat), -1, true), last, argmax(flat, -1, true));  // of several NaN the last
  const Tensor table = tap_positions(f, x.device());
  return gather(table.expand({f.x[0], f.x[1], f.y[2], f.y[3], table.shape().back()}), 4, winner).squeeze(4);
}

Tensor means_by_windows(const PoolForm& f, const Tensor& x) {
  const NoGrad off;
  return mean(windows(f, frame(x, f.steps, 0)), {4, 5});
}

Tensor spread_by_windows(const PoolForm& f, const Tensor& y) {
  const NoGrad off;
  const Tensor share = y / static_cast<double>(f.kernel[0] * f.kernel[1]);
  const Strides& s = share.strides();
  const Tensor taps = raw::window(share, {f.y[0], f.y[1], f.kernel[0], f.kernel[1], f.y[2], f.y[3]},
                                  {s[0], s[1], 0, 0, s[2], s[3]}, share.view().offset);
  Tensor x = raw::empty(f.x, y.options());
  add_windows(taps, f.steps, x);
  return x;
}

}  // namespace fovea
