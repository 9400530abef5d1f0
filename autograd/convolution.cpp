#include "fovea/autograd/convolution.h"

#include <algorithm>

#include "fovea/autograd/autocast.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/half.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"

namespace fovea {
namespace {

using Product = ConvolutionCall::Product;

/// The sizes of x, weight and y of one convolution, and how its kernel steps; see ConvolutionCall.
struct ConvolutionForm {
  Shape x, weight, y;
  WindowSteps steps;
  int64_t groups;
  bool bf16_operands = false;  // see ConvolutionCall
};

/// The member of the form that `product` names, from the two others.
Tensor compute(Product product, const ConvolutionForm& f, Tensor x, Tensor weight, Tensor y, const Tensor& bias = {}) {
  Tensor& out = product == Product::y ? y : product == Product::x ? x : weight;
  const Shape& shape = product == Product::y ? f.y : product == Product::x ? f.x : f.weight;
  const TensorOptions options = product == Product::x ? y.options() : x.options();
  for (Tensor* t : {&x, &weight, &y}) *t = t == &out ? raw::empty(shape, options) : raw::contiguous(*t);
  const Tensor dense = raw::contiguous(bias);
  out.backend().convolution(
      {product, x.view(), weight.view(), y.view(), raw::view_or_null(dense), f.steps, f.groups, f.bf16_operands});
  return out;
}

Tensor input_product(const ConvolutionForm& f, const Tensor& weight, const Tensor& y, Caller caller = {});
Tensor weight_product(const ConvolutionForm& f, const Tensor& x, const Tensor& y);

/// The convolution itself. Each product's derivatives are the two other products, so that there is no end to them.
Tensor output_product(const ConvolutionForm& f, const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                      Caller caller = {}) {
  return record(
      "convolution", compute(Product::y, f, x, weight, {}, bias), {x, weight, bias},
      [f, x = Saved(x), weight = Saved(weight)](const Tensor& g, Needs needs) {
        Gradients gradients(3);
        if (needs[0]) gradients[0] = input_product(f, *weight, g);
        if (needs[1]) gradients[1] = weight_product(f, *x, g);
        if (needs[2]) gradients[2] = sum(g, {0, 2, 3});
        return gradients;
      },
      caller);
}

Tensor input_product(const ConvolutionForm& f, const Tensor& weight, const Tensor& y, Caller caller) {
  return record(
      "convolution_input", compute(Product::x, f, {}, weight, y), {weight, y},
      [f, weight = Saved(weight), y = Saved(y)](const Tensor& g, Needs needs) {
        Gradients gradients(2);
        if (needs[0]) gradients[0] = weight_product(f, g, *y);
        if (needs[1]) gradients[1] = output_product(f, g, *weight);
        return gradients;
      },
      caller);
}

Tensor weight_product(const ConvolutionForm& f, const Tensor& x, const Tensor& y) {
  return record("convolution_weight", compute(Product::weight, f, x, {}, y), {x, y},
                [f, x = Saved(x), y = Saved(y)](const Tensor& g, Needs needs) {
                  Gradients gradients(2);
                  if (needs[0]) gradients[0] = input_product(f, g, *y);
                  if (needs[1]) gradients[1] = output_product(f, *x, g);
                  return gradients;
                });
}

void check(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o,
           Caller caller) {
  raw::check_defined(name, weight, caller);
  raw::check_alike(name, {&x, &weight, &bias}, caller);
  raw::check_floating(name, x, caller);
  if (o.stride.height < 1 || o.stride.width < 1 || o.dilation.height < 1 || o.dilation.width < 1 || o.groups < 1 ||
      o.padding.height < 0 || o.padding.width < 0) {
    raise<ValueError>(caller, "{}: stride, dilation and groups must be at least 1 and padding at least 0", name);
  }
  // So that sums and products with sizes do not wrap.
  for (const Extent& each : {o.stride, o.dilation, o.padding}) {
    if (std::max(each.height, each.width) <= INT32_MAX) continue;
    raise<ValueError>(caller, "{}: a stride, dilation or padding of {} is too large", name,
                      std::max(each.height, each.width));
  }
}

[[noreturn]] void refuse(const char* name, const Shape& x, const Shape& weight, const Tensor& bias, int64_t groups,
                         Caller caller) {
  raise<ShapeError>(caller, "{}: input {} does not fit weight {}{} in {} group{}", name, x, weight,
                    bias.defined() ? fmt::format(" and bias {}", bias.shape()) : std::string(), groups,
                    groups == 1 ? "" : "s");
}

[[noreturn]] void refuse_kernel(const char* name, const Shape& x, const Shape& weight, Caller caller) {
  raise<ShapeError>(caller, "{}: kernel {} is larger than the padded input {}", name, weight, x);
}

WindowSteps steps_of(const Conv2dOptions& o) {
  return {
      {o.stride.height, o.stride.width}, {o.padding.height, o.padding.width}, {o.dilation.height, o.dilation.width}};
}

/// conv2d under the name that the user called, on shapes as the user gave them (`given`).
Tensor convolve(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o,
                const Shape& given_x, const Shape& given_weight, Caller caller) {
  if (x.rank() != 4 || weight.rank() != 4 || weight.shape()[0] % o.groups != 0 ||
      x.shape()[1] != weight.shape()[1] * o.groups || (bias.defined() && bias.shape() != Shape{weight.shape()[0]})) {
    refuse(name, given_x, given_weight, bias, o.groups, caller);
  }
  ConvolutionForm f{x.shape(), weight.shape(), {x.shape()[0], weight.shape()[0]}, steps_of(o), o.groups};
  for (int axis = 0; axis < 2; ++axis) {
    f.y.push_back(f.steps.positions(axis, x.shape()[2 + axis], weight.shape()[2 + axis]));
    if (f.y.back() < 1) refuse_kernel(name, given_x, given_weight, caller);
  }
  raw::check_shape(f.y, name, caller);
  f.bf16_operands = autograd::rounds_operands(x);
  if (is_half(x)) return output_product(f, widened(x), widened(weight), widened(bias), caller).to(x.dtype());
  return output_product(f, x, weight, bias, caller);
}

/// The elements of one axis that a transposed convolution makes of `size`.
int64_t output_size(const char* name, int64_t size, int64_t kernel, const WindowSteps& steps, int axis, int64_t extra,
                    const Shape& given_x, const Shape& given_weight, Caller caller) {
  const int64_t stride = steps.stride[axis], dilation = steps.dilation[axis];
  if (extra < 0 || extra >= std::max(stride, dilation)) {
    raise<ValueError>(caller, "{}: output padding {} must be less than stride or dilation", name, extra);
  }
  const int64_t made = (size - 1) * stride - 2 * steps.padding[axis] + dilation * (kernel - 1) + extra + 1;
  if (made < 1) raise<ShapeError>(caller, "{}: input {} and weight {} leave no output", name, given_x, given_weight);
  return made;
}

/// conv_transpose2d of the same.
Tensor transposed(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o,
                  Extent output_padding, const Shape& given_x, const Shape& given_weight, Caller caller) {
  if (x.rank() != 4 || weight.rank() != 4 || x.shape()[1] != weight.shape()[0] || weight.shape()[0] % o.groups != 0 ||
      (bias.defined() && bias.shape() != Shape{weight.shape()[1] * o.groups})) {
    refuse(name, given_x, given_weight, bias, o.groups, caller);
  }
  ConvolutionForm f{{x.shape()[0], weight.shape()[1] * o.groups}, weight.shape(), x.shape(), steps_of(o), o.groups};
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t extra = axis == 0 ? output_padding.height : output_padding.width;
    f.x.push_back(output_size(name, x.shape()[2 + axis], weight.shape()[2 + axis], f.steps, axis, extra, given_x,
                              given_weight, caller));
  }
  raw::check_shape(f.x, name, caller);
  f.bf16_operands = autograd::rounds_operands(x);
  Tensor out = input_product(f, widened(weight), widened(x), caller);
  if (bias.defined()) out = out + widened(bias).reshape({1, -1, 1, 1});
  return is_half(x) ? out.to(x.dtype()) : out;
}

Conv2dOptions flat(const Conv1dOptions& o) { return {{1, o.stride}, {0, o.padding}, {1, o.dilation}, o.groups}; }

/// image(x, weight) of lines that are taken for images one row high; the batch axis of x may be absent.
template <class F>
Tensor over_lines(const char* name, const Tensor& x, const Tensor& weight, Caller caller, F image) {
  if (weight.rank() != 3 || x.rank() < 2 || x.rank() > 3) {
    raise<ShapeError>(caller, "{}: input {} does not fit weight {}", name, x.shape(), weight.shape());
  }
  const Tensor batch = x.rank() == 2 ? x.unsqueeze(0) : x;
  const Tensor y = image(batch.unsqueeze(2), weight.unsqueeze(2)).squeeze(2);
  return x.rank() == 2 ? y.squeeze(0) : y;
}

Conv2dOptions plane_of(const Conv3dOptions& o) { return {o.stride.plane, o.padding.plane, o.dilation.plane, o.groups}; }
/// The depth alone, as the height of images.
Conv2dOptions depth_of(const Conv3dOptions& o) {
  return {{o.stride.depth, 1}, {o.padding.depth, 0}, {o.dilation.depth, 1}, o.groups};
}

/// volume(x, with its batch axis), where x fits weight: [batch, in, depth, height, width], `in` of the weight's `axis` (times
/// `groups`).
template <class F>
Tensor over_volumes(const char* name, const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& o,
                    bool transposed, Caller caller, F volume) {
  check(name, x, weight, bias, plane_of(o), caller);
  check(name, x, weight, bias, depth_of(o), caller);
  const bool single = x.rank() == 4;
  if (weight.rank() != 5 || (x.rank() != 5 && !single) || weight.shape()[0] % o.groups != 0 ||
      x.shape()[single ? 0 : 1] != (transposed ? weight.shape()[0] : weight.shape()[1] * o.groups) ||
      (bias.defined() && bias.shape() != Shape{transposed ? weight.shape()[1] * o.groups : weight.shape()[0]})) {
    refuse(name, x.shape(), weight.shape(), bias, o.groups, caller);
  }
  if (weight.shape()[2] < 1) refuse(name, x.shape(), weight.shape(), bias, o.groups, caller);
  const Tensor y = volume(single ? x.unsqueeze(0) : x);
  return single ? y.squeeze(0) : y;
}

/// weight [a, b, kd, kh, kw] as that of images, whose channels are those of every slice: [a, b kd, kh, kw].
Tensor of_slices(const Tensor& weight) {
  const Shape& k = weight.shape();
  return weight.reshape({k[0], k[1] * k[2], k[3], k[4]});
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options, Caller caller) {
  const ErrorScope scope(caller);
  check("conv2d", x, weight, bias, options, caller);
  if (x.rank() == 3 && weight.rank() == 4) {
    return convolve("conv2d", x.unsqueeze(0), weight, bias, options, x.shape(), weight.shape(), caller).squeeze(0);
  }
  return convolve("conv2d", x, weight, bias, options, x.shape(), weight.shape(), caller);
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options, Caller caller) {
  const ErrorScope scope(caller);
  const Conv2dOptions o = flat(options);
  check("conv1d", x, weight, bias, o, caller);
  return over_lines("conv1d", x, weight, caller, [&](const Tensor& images, const Tensor& kernels) {
    return convolve("conv1d", images, kernels, bias, o, x.shape(), weight.shape(), caller);
  });
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv3dOptions o, Caller caller) {
  const ErrorScope scope(caller);
  return over_volumes("conv3d", x, weight, bias, o, false, caller, [&](const Tensor& batch) {
    const int64_t kernel = weight.shape()[2], depth = batch.shape()[2], edge = o.padding.depth;
    if (steps_of(depth_of(o)).positions(0, depth, kernel) < 1)
      refuse_kernel("conv3d", x.shape(), weight.shape(), caller);
    const Tensor padded = edge > 0 ? pad(batch, {0, 0, 0, 0, edge, edge}, 0, caller) : batch;
    // [batch, in, od, h, w, kd] to images [batch od, in kd, h, w].
    const Tensor windows = padded.unfold(2, kernel, o.stride.depth, o.dilation.depth, caller);
    const Shape& s = windows.shape();
    const Tensor images = windows.permute({0, 2, 1, 5, 3, 4}).reshape({s[0] * s[2], s[1] * kernel, s[3], s[4]});
    const Tensor y =
        convolve("conv3d", images, of_slices(weight), bias, plane_of(o), x.shape(), weight.shape(), caller);
    return y.reshape({s[0], s[2], y.shape()[1], y.shape()[2], y.shape()[3]}).transpose(1, 2);
  });
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions o,
                        Extent output_padding, Caller caller) {
  const ErrorScope scope(caller);
  check("conv_transpose2d", x, weight, bias, o, caller);
  const Tensor batch = x.rank() == 3 ? x.unsqueeze(0) : x;
  const Tensor y =
      transposed("conv_transpose2d", batch, weight, bias, o, output_padding, x.shape(), weight.shape(), caller);
  return x.rank() == 3 ? y.squeeze(0) : y;
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv1dOptions options,
                        int64_t output_padding, Caller caller) {
  const ErrorScope scope(caller);
  const Conv2dOptions o = flat(options);
  check("conv_transpose1d", x, weight, bias, o, caller);
  return over_lines("conv_transpose1d", x, weight, caller, [&](const Tensor& images, const Tensor& kernels) {
    return transposed("conv_transpose1d", images, kernels, bias, o, {0, output_padding}, x.shape(), weight.shape(),
                      caller);
  });
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv3dOptions o,
                        Extent3d output_padding, Caller caller) {
  const ErrorScope scope(caller);
  return over_volumes("conv_transpose3d", x, weight, bias, o, true, caller, [&](const Tensor& given) {
    const Tensor batch = widened(given);
    const Shape& s = batch.shape();
    const int64_t kernel = weight.shape()[2], extra = output_padding.depth, edge = o.padding.depth;
    if (s[2] < 1) refuse("conv_transpose3d", x.shape(), weight.shape(), bias, o.groups, caller);
    const int64_t length = output_size("conv_transpose3d", s[2], kernel, steps_of(depth_of(o)), 0, extra, x.shape(),
                                       weight.shape(), caller);
    const Tensor images = batch.transpose(1, 2).reshape({s[0] * s[2], s[1], s[3], s[4]});
    const Tensor y = transposed("conv_transpose3d", images, of_slices(widened(weight)), {}, plane_of(o),
                                output_padding.plane, x.shape(), weight.shape(), caller);
    const int64_t out = y.shape()[1] / kernel;
    const Tensor windows = y.reshape({s[0], s[2], out, kernel, y.shape()[2], y.shape()[3]}).permute({0, 2, 1, 4, 5, 3});
    Tensor sums = overlap_add(windows, 2, length + 2 * edge, o.stride.depth, o.dilation.depth, caller);
    if (edge > 0) sums = sums.slice(2, edge, edge + length);
    if (bias.defined()) sums = sums + widened(bias).reshape({1, -1, 1, 1, 1});
    return sums.to(x.dtype());
  });
}

}  // namespace fovea
