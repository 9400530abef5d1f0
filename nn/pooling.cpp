#include "fovea/nn/pooling.h"

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

Tensor Upsample::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return upsample_nearest(x, factor_, caller);
}
std::string Upsample::description() const { return text(factor_); }

Tensor Flatten::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return x.flatten(first_, last_, caller);
}
std::string Flatten::description() const { return fmt::format("{}, {}", first_, last_); }

}  // namespace fovea::nn
