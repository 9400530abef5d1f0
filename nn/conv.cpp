#include "fovea/nn/conv.h"

#include "fovea/nn/extent_text.h"
#include "fovea/nn/init.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

template <class Form, class Kernel, class Options>
Form form_of(Kernel kernel, const Options& o, bool transposed) {
  return {sizes_of(kernel), sizes_of(o.stride), sizes_of(o.padding), sizes_of(o.dilation), o.groups,
          o.bias,           transposed};
}

}  // namespace

/// Weight [out, in / groups, kernel...] (transposed: in and out change places) and bias [out], as PyTorch draws them.
Convolution::Convolution(const char* name, int64_t in, int64_t out, const Form& form, Caller caller) : form_(form) {
  const int64_t groups = form.groups;
  if (in < 1 || out < 1 || groups < 1 || in % groups != 0 || out % groups != 0) {
    raise<ValueError>(caller, "{}: {} and {} channels do not divide into {} groups", name, in, out, groups);
  }
  Shape shape = form.transposed ? Shape{in, out / groups} : Shape{out, in / groups};
  int64_t fan = shape[1];
  for (const int64_t size : form.kernel) {
    if (size < 1) raise<ValueError>(caller, "{}: a kernel of size {}", name, size);
    shape.push_back(size);
  }
  raw::check_shape(shape, name, caller);
  for (const int64_t size : form.kernel) fan *= size;
  weight = init::by_fan(shape, fan, caller);
  add("weight", weight);
  if (!form.bias) return;
  bias = init::by_fan({out}, fan, caller);
  add("bias", bias);
}

std::string Convolution::description() const {
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1] * form_.groups;
  std::string text = fmt::format("{}, {}, kernel={}", form_.transposed ? rows : columns,
                                 form_.transposed ? columns : rows, extent_text(form_.kernel));
  if (!all_are(form_.stride, 1)) text += ", stride=" + extent_text(form_.stride);
  if (!all_are(form_.padding, 0)) text += ", padding=" + extent_text(form_.padding);
  if (!all_are(form_.dilation, 1)) text += ", dilation=" + extent_text(form_.dilation);
  if (form_.groups != 1) text += fmt::format(", groups={}", form_.groups);
  return bias.defined() ? text : text + ", bias=false";
}

Conv1d::Conv1d(int64_t in, int64_t out, int64_t kernel, Conv1dLayerOptions options, Caller caller)
    : Convolution("Conv1d", in, out, form_of<Form>(kernel, options, false), caller), options_(options) {}

Tensor Conv1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv1d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups}, caller);
}

Conv2d::Conv2d(int64_t in, int64_t out, Extent kernel, Conv2dLayerOptions options, Caller caller)
    : Convolution("Conv2d", in, out, form_of<Form>(kernel, options, false), caller), options_(options) {}

Tensor Conv2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv2d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups}, caller);
}

Conv3d::Conv3d(int64_t in, int64_t out, Extent3d kernel, Conv3dLayerOptions options, Caller caller)
    : Convolution("Conv3d", in, out, form_of<Form>(kernel, options, false), caller), options_(options) {}

Tensor Conv3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv3d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups}, caller);
}

ConvTranspose1d::ConvTranspose1d(int64_t in, int64_t out, int64_t kernel, ConvTranspose1dOptions options, Caller caller)
    : Convolution("ConvTranspose1d", in, out, form_of<Form>(kernel, options, true), caller), options_(options) {}

Tensor ConvTranspose1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv_transpose1d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups},
                          options_.output_padding, caller);
}

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, Extent kernel, ConvTranspose2dOptions options, Caller caller)
    : Convolution("ConvTranspose2d", in, out, form_of<Form>(kernel, options, true), caller), options_(options) {}

Tensor ConvTranspose2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv_transpose2d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups},
                          options_.output_padding, caller);
}

ConvTranspose3d::ConvTranspose3d(int64_t in, int64_t out, Extent3d kernel, ConvTranspose3dOptions options,
                                 Caller caller)
    : Convolution("ConvTranspose3d", in, out, form_of<Form>(kernel, options, true), caller), options_(options) {}

Tensor ConvTranspose3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return conv_transpose3d(x, weight, bias, {options_.stride, options_.padding, options_.dilation, options_.groups},
                          options_.output_padding, caller);
}

}  // namespace fovea::nn
