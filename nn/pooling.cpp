#include "fovea/nn/pooling.h"

#include "fovea/autograd/interpolation.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/extent_text.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {
std::string WindowPool::description() const {
  std::string text = extent_text(window_);
  if (!all_are(stride_, 0) && stride_ != window_) text += ", stride=" + extent_text(stride_);
  if (!all_are(padding_, 0)) text += ", padding=" + extent_text(padding_);
  return text;
}

MaxPool1d::MaxPool1d(int64_t kernel, Pool1dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor MaxPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool1d(x, kernel_, options_, caller);
}

MaxPool2d::MaxPool2d(Extent kernel, Pool2dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor MaxPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool2d(x, kernel_, options_, caller);
}

MaxPool3d::MaxPool3d(Extent3d kernel, Pool3dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor MaxPool3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool3d(x, kernel_, options_, caller);
}

AvgPool1d::AvgPool1d(int64_t kernel, Pool1dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor AvgPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool1d(x, kernel_, options_, caller);
}

AvgPool2d::AvgPool2d(Extent kernel, Pool2dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor AvgPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool2d(x, kernel_, options_, caller);
}

AvgPool3d::AvgPool3d(Extent3d kernel, Pool3dOptions options)
    : WindowPool(sizes_of(kernel), sizes_of(options.stride), sizes_of(options.padding)),
      kernel_(kernel),
      options_(options) {}

Tensor AvgPool3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool3d(x, kernel_, options_, caller);
}

Tensor AdaptiveAvgPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return adaptive_avg_pool1d(x, output_, caller);
}
std::string AdaptiveAvgPool1d::description() const { return extent_text(sizes_of(output_)); }

Tensor AdaptiveAvgPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return adaptive_avg_pool2d(x, output_, caller);
}
std::string AdaptiveAvgPool2d::description() const { return extent_text(sizes_of(output_)); }

Tensor AdaptiveAvgPool3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return adaptive_avg_pool3d(x, output_, caller);
}
std::string AdaptiveAvgPool3d::description() const { return extent_text(sizes_of(output_)); }

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
  return extent_text(sizes_of(factor_)) + (options_.bilinear ? ", bilinear" : "") +
         (options_.align_corners ? ", align_corners" : "");
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
