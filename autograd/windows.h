#pragma once

#include "fovea/tensor/raw.h"

// Convolution and pooling outside the graph as copies of windows and matrix products: for devices that lack their
// kernels.
namespace fovea {

/// The sizes of x, weight and y of one convolution, and how its kernel steps; see ConvolutionCall.
struct ConvolutionForm {
  Shape x, weight, y;
  WindowSteps steps;
  int64_t groups;
  bool bf16_operands = false;  // see ConvolutionCall

  int64_t batch() const { return x[0]; }
  int64_t in() const { return weight[1]; }            // channels of a group
  int64_t out() const { return weight[0] / groups; }  // of a group
  int64_t taps() const { return weight[2] * weight[3]; }
  int64_t positions() const { return y[2] * y[3]; }
};

/// Writes the member that `product` names from the two others; none may be empty.
void convolve_by_windows(ConvolutionCall::Product product, const ConvolutionForm& form, const Tensor& x,
                         const Tensor& weight, const Tensor& y);

/// One pooling of x [batch, channels, h, w] to y [batch, channels, oh, ow].
struct PoolForm {
  Shape x, y;
  int64_t kernel[2];
  WindowSteps steps;

  int64_t planes() const { return x[0] * x[1]; }
};

/// Where in its plane the greatest of each window stands: i32 of y's shape.
Tensor greatest_by_windows(const PoolForm& form, const Tensor& x);
/// The mean of each window.
Tensor means_by_windows(const PoolForm& form, const Tensor& x);
/// The adjoint of means_by_windows.
Tensor spread_by_windows(const PoolForm& form, const Tensor& y);

}  // namespace fovea
