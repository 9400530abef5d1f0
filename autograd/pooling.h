#pragma once

#include "fovea/autograd/convolution.h"

// Pooling as in PyTorch over [batch, channels, length], [batch, channels, height, width] or [batch, channels, depth,
// height, width]; the batch axis may be absent. Errors: ShapeError, DTypeError, ValueError for a window, padding or factor
// that cannot be.
namespace fovea {

struct Pool1dOptions {
  int64_t stride = 0;   // 0: the kernel's size
  int64_t padding = 0;  // at most half the kernel
};
struct Pool2dOptions {
  Extent stride = 0;
  Extent padding = 0;
};
struct Pool3dOptions {
  Extent3d stride = 0;
  Extent3d padding = 0;
};

/// The greatest of each window; the first of equals takes the gradient. A NaN is the greatest, of several the last.
Tensor max_pool1d(const Tensor& x, int64_t kernel, Pool1dOptions options = {}, Caller caller = {});
Tensor max_pool2d(const Tensor& x, Extent kernel, Pool2dOptions options = {}, Caller caller = {});
Tensor max_pool3d(const Tensor& x, Extent3d kernel, Pool3dOptions options = {}, Caller caller = {});

/// The mean of each window, in which padding counts as zeros.
Tensor avg_pool1d(const Tensor& x, int64_t kernel, Pool1dOptions options = {}, Caller caller = {});
Tensor avg_pool2d(const Tensor& x, Extent kernel, Pool2dOptions options = {}, Caller caller = {});
Tensor avg_pool3d(const Tensor& x, Extent3d kernel, Pool3dOptions options = {}, Caller caller = {});

/// Means over an even division into `output` parts: part i of n runs from floor(i size / n) to ceil((i + 1) size / n).
Tensor adaptive_avg_pool1d(const Tensor& x, int64_t output, Caller caller = {});
Tensor adaptive_avg_pool2d(const Tensor& x, Extent output, Caller caller = {});
Tensor adaptive_avg_pool3d(const Tensor& x, Extent3d output, Caller caller = {});

/// Every element repeated `factor` times along both axes of an image (nearest neighbour).
Tensor upsample_nearest(const Tensor& x, Extent factor, Caller caller = {});

}  // namespace fovea
