#pragma once

#include <algorithm>

#include "fovea/backends/kernel_calls.h"

namespace fovea::cpu {

/// How many items of so many multiply-adds of a convolution make a chunk that is worth a thread.
inline int64_t items_per_chunk(int64_t work) { return 1 + (int64_t{1} << 18) / std::max<int64_t>(work, 1); }

/// Whether every group of a convolution has one input channel.
inline bool is_depthwise(const ConvolutionCall& call) { return call.weight.shape[1] == 1 && call.groups > 1; }

/// The arrays of a convolution and their sizes; in_ and out_ are channels of a group.
template <class T>
struct ConvolutionArrays {
  explicit ConvolutionArrays(const ConvolutionCall& call)
      : steps_(call.steps),
        groups_(call.groups),
        batch_(call.x.shape[0]),
        in_(call.weight.shape[1]),
        height_(call.x.shape[2]),
        width_(call.x.shape[3]),
        out_(call.weight.shape[0] / call.groups),
        kernel_height_(call.weight.shape[2]),
        kernel_width_(call.weight.shape[3]),
        out_height_(call.y.shape[2]),
        out_width_(call.y.shape[3]),
        x_(call.x.data<T>()),
        weight_(call.weight.data<T>()),
        y_(call.y.data<T>()),
        bias_(call.bias ? call.bias->data<T>() : nullptr) {}

  int64_t taps() const { return kernel_height_ * kernel_width_; }
  int64_t positions() const { return out_height_ * out_width_; }
  T* x_plane(int64_t plane) const { return x_ + plane * height_ * width_; }
  T* y_plane(int64_t plane) const { return y_ + plane * positions(); }

  WindowSteps steps_;
  int64_t groups_, batch_, in_, height_, width_, out_, kernel_height_, kernel_width_, out_height_, out_width_;
  T *x_, *weight_, *y_;
  const T* bias_;
};

/// Computes what the call asks for, in the way of `convolution`.
template <class Way>
void compute_product(const ConvolutionCall& call, const Way& convolution) {
  switch (call.product) {
    case ConvolutionCall::Product::y:
      return convolution.output();
    case ConvolutionCall::Product::x:
      return convolution.input();
    case ConvolutionCall::Product::weight:
      return convolution.weight();
  }
}

}  // namespace fovea::cpu
