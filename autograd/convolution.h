#pragma once

#include "fovea/tensor/tensor.h"

// Convolutions as in PyTorch: cross-correlations, channels before space. The batch axis may be absent.
namespace fovea {

/// {height, width}; one number stands for both.
struct Extent {
  constexpr Extent(int64_t both) : height(both), width(both) {}
  constexpr Extent(int64_t h, int64_t w) : height(h), width(w) {}
  int64_t height;
  int64_t width;

  friend constexpr bool operator==(Extent, Extent) = default;
};

/// {depth, height, width}; one number stands for all three.
struct Extent3d {
  constexpr Extent3d(int64_t all) : depth(all), plane(all) {}
  constexpr Extent3d(int64_t d, int64_t h, int64_t w) : depth(d), plane(h, w) {}
  int64_t depth;
  Extent plane;

  friend constexpr bool operator==(Extent3d, Extent3d) = default;
};

struct Conv1dOptions {
  int64_t stride = 1;
  int64_t padding = 0;  // zeros on either side
  int64_t dilation = 1;
  int64_t groups = 1;  // channels of a group see no others; as many groups as channels: depthwise
};
struct Conv2dOptions {
  Extent stride = 1;
  Extent padding = 0;
  Extent dilation = 1;
  int64_t groups = 1;
};
struct Conv3dOptions {
  Extent3d stride = 1;
  Extent3d padding = 0;
  Extent3d dilation = 1;
  int64_t groups = 1;
};

/// x [batch, in, length], weight [out, in / groups, kernel], bias [out] or undefined -> [batch, out, positions] with
/// positions = (length + 2 padding - dilation (kernel - 1) - 1) / stride + 1. Throws ShapeError.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv1dOptions options = {},
              Caller caller = {});
/// x [batch, in, height, width], weight [out, in / groups, kh, kw] -> [batch, out, oh, ow].
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv2dOptions options = {},
              Caller caller = {});

/// x [batch, in, depth, height, width], weight [out, in / groups, kd, kh, kw] -> [batch, out, od, oh, ow]. Computed as a
/// convolution of images whose channels are kd times as many, which takes kd times the memory of x.
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv3dOptions options = {},
              Caller caller = {});

/// The adjoint of conv2d by its input ("deconvolution", Zeiler et al. 2010): x [batch, in, h, w], weight [in, out /
/// groups, kh, kw] -> [batch, out, (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1, ...].
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv2dOptions options = {},
                        Extent output_padding = 0, Caller caller = {});

/// The same of conv1d: x [batch, in, length], weight [in, out / groups, kernel] -> [batch, out, (length - 1) stride - 2
/// padding + dilation (kernel - 1) + output_padding + 1].
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv1dOptions options = {},
                        int64_t output_padding = 0, Caller caller = {});
/// The same of conv3d: x [batch, in, d, h, w], weight [in, out / groups, kd, kh, kw].
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, Conv3dOptions options = {},
                        Extent3d output_padding = 0, Caller caller = {});

}  // namespace fovea
