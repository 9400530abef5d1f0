#include "fovea/nn/pooling.h"

#include "fovea/autograd/interpolation.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/extent_text.h"
#include "fovea/tensor/raw.h"

namespace fovea::nn {

template <class Kernel, class Options>
std::string WindowPool<Kernel, Options>::description() const {
  const Shape window = sizes_of(kernel_), stride = sizes_of(options_.stride), padding = sizes_of(options_.padding);
  std::string text = extent_text(window);
  if (!all_are(stride, 0) && stride != window) text += ", stride=" + extent_text(stride);
  if (!all_are(padding, 0)) text += ", padding=" + extent_text(padding);
  return text;
}
template class WindowPool<int64_t, Pool1dOptions>;
template class WindowPool<Extent, Pool2dOptions>;
template class WindowPool<Extent3d, Pool3dOptions>;

Tensor MaxPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool1d(x, kernel_, options_, caller);
}

Tensor MaxPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool2d(x, kernel_, options_, caller);
}

Tensor MaxPool3d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return max_pool3d(x, kernel_, options_, caller);
}

Tensor AvgPool1d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool1d(x, kernel_, options_, caller);
}

Tensor AvgPool2d::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  return avg_pool2d(x, kernel_, options_, caller);
}

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
