#include "fovea/nn/conv.h"

#include <tuple>
#include <utility>

#include "fovea/nn/init.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

/// Weight [out, in / groups, kernel...] (transposed: in and out change places) and bias [out], as PyTorch draws them.
std::pair<Tensor, Tensor> draw(const char* name, int64_t in, int64_t out, int64_t groups, bool with_bias,
                               const Shape& kernel, bool transposed, Caller caller) {
  if (in < 1 || out < 1 || groups < 1 || in % groups != 0 || out % groups != 0) {
    raise<ValueError>(caller, "{}: {} and {} channels do not divide into {} groups", name, in, out, groups);
  }
  Shape shape = transposed ? Shape{in, out / groups} : Shape{out, in / groups};
  int64_t fan = shape[1];
  for (const int64_t size : kernel) {
    if (size < 1) raise<ValueError>(caller, "{}: a kernel of size {}", name, size);
    shape.push_back(size);
  }
  raw::check_shape(shape, name, caller);
  for (const int64_t size : kernel) fan *= size;
  Tensor weight = init::by_fan(shape, fan, caller);
  return {std::move(weight), with_bias ? init::by_fan({out}, fan, caller) : Tensor()};
}

std::string text(int64_t in, int64_t out, const Tensor& weight, Extent stride, Extent padding, Extent dilation,
                 int64_t groups, const Tensor& bias) {
  const auto extent = [](Extent e) {
    return e.height == e.width ? std::to_string(e.height) : fmt::format("{}x{}", e.height, e.width);
  };
  std::string made = fmt::format(
      "{}, {}, kernel={}", in, out,
      weight.rank() == 3 ? std::to_string(weight.shape()[2]) : extent({weight.shape()[2], weight.shape()[3]}));
  if (stride != Extent(1)) made += ", stride=" + extent(stride);
  if (padding != Extent(0)) made += ", padding=" + extent(padding);
  if (dilation != Extent(1)) made += ", dilation=" + extent(dilation);
  if (groups != 1) made += fmt::format(", groups={}", groups);
  return bias.defined() ? made : made + ", bias=false";
}

}  // namespace

Conv1d::Conv1d(int64_t in, int64_t out, int64_t kernel, Conv1dLayerOptions options, Caller caller) : options_(options) {
  std::tie(weight, bias) = draw("Conv1d", in, out, options.groups, options.bias, {kernel}, false, caller);
  add("weight", weight);
  if (options.bias) add("bias", bias);
}

Tensor Conv1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv1d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups}, caller);
}

std::string Conv1d::description() const {
  return text(weight.shape()[1] * options_.groups, weight.shape()[0], weight, options_.stride, options_.padding,
              options_.dilation, options_.groups, bias);
}

Conv2d::Conv2d(int64_t in, int64_t out, Extent kernel, Conv2dLayerOptions options, Caller caller) : options_(options) {
  std::tie(weight, bias) =
      draw("Conv2d", in, out, options.groups, options.bias, {kernel.height, kernel.width}, false, caller);
  add("weight", weight);
  if (options.bias) add("bias", bias);
}

Tensor Conv2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv2d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups}, caller);
}

std::string Conv2d::description() const {
  return text(weight.shape()[1] * options_.groups, weight.shape()[0], weight, options_.stride, options_.padding,
              options_.dilation, options_.groups, bias);
}

ConvTranspose1d::ConvTranspose1d(int64_t in, int64_t out, int64_t kernel, ConvTranspose1dOptions options, Caller caller)
    : options_(options) {
  std::tie(weight, bias) = draw("ConvTranspose1d", in, out, options.groups, options.bias, {kernel}, true, caller);
  add("weight", weight);
  if (options.bias) add("bias", bias);
}

Tensor ConvTranspose1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv_transpose1d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups},
                          options_.output_padding, caller);
}

std::string ConvTranspose1d::description() const {
  return text(weight.shape()[0], weight.shape()[1] * options_.groups, weight, options_.stride, options_.padding,
              options_.dilation, options_.groups, bias);
}

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, Extent kernel, ConvTranspose2dOptions options, Caller caller)
    : options_(options) {
  std::tie(weight, bias) =
      draw("ConvTranspose2d", in, out, options.groups, options.bias, {kernel.height, kernel.width}, true, caller);
  add("weight", weight);
  if (options.bias) add("bias", bias);
}

Tensor ConvTranspose2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv_transpose2d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups},
                          options_.output_padding, caller);
}

std::string ConvTranspose2d::description() const {
  return text(weight.shape()[0], weight.shape()[1] * options_.groups, weight, options_.stride, options_.padding,
              options_.dilation, options_.groups, bias);
}

}  // namespace fovea::nn
