#include "fovea/nn/pooling.h"

#include "fovea/autograd/interpolation.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
namespace {

std::string text(Extent e) {
  return e.height == e.width ? std::to_string(e.height) : fmt::format("{}x{}", e.height, e.width);
}

std::string text(Extent kernel, Extent stride, Extent padding) {
  std::string made = text(kernel);
  if (stride != Extent(0) && stride != kernel) made += ", stride=" + text(stride);
  if (padding != Extent(0)) made += ", padding=" + text(padding);
  return made;
}

}  // namespace

Tensor MaxPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool1d(x, kernel_, options_, caller);
}
std::string MaxPool1d::description() const { return text(kernel_, options_.stride, options_.padding); }

Tensor MaxPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool2d(x, kernel_, options_, caller);
}
std::string MaxPool2d::description() const { return text(kernel_, options_.stride, options_.padding); }

Tensor AvgPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool1d(x, kernel_, options_, caller);
}
std::string AvgPool1d::description() const { return text(kernel_, options_.stride, options_.padding); }

Tensor AvgPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool2d(x, kernel_, options_, caller);
}
std::string AvgPool2d::description() const { return text(kernel_, options_.stride, options_.padding); }

Tensor AdaptiveAvgPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return adaptive_avg_pool2d(x, output_, caller);
}
std::string AdaptiveAvgPool2d::description() const { return text(output_); }

Upsample::Upsample(Extent factor, UpsampleOptions options, Caller caller) : factor_(factor), options_(options) {
  if (factor.height < 1 || factor.width < 1) {
    raise<ValueError>(caller, "Upsample: factor {} x {} is not at least 1", factor.height, factor.width);
  }
  if (options.align_corners && !options.bilinear) {
    raise<ValueError>(caller, "Upsample: repeated elements have no corners to align; align_corners is for bilinear");
  }
}

Tensor Upsample::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  if (!options_.bilinear) return upsample_nearest(x, factor_, caller);
  raw::check_defined("interpolate", x, caller);
  const Shape size{x.size(-2, caller) * factor_.height, x.size(-1, caller) * factor_.width};
  return interpolate(x, size, {.align_corners = options_.align_corners}, caller);
}
std::string Upsample::description() const {
  return text(factor_) + (options_.bilinear ? ", bilinear" : "") + (options_.align_corners ? ", align_corners" : "");
}

Tensor PixelShuffle::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return pixel_shuffle(x, factor_, caller);
}
std::string PixelShuffle::description() const { return fmt::format("{}", factor_); }

Tensor Flatten::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return x.flatten(first_, last_, caller);
}
std::string Flatten::description() const { return fmt::format("{}, {}", first_, last_); }

}  // namespace fovea::nn
