#pragma once

#include "fovea/autograd/pooling.h"
#include "fovea/nn/module.h"

// The pools of fovea/autograd/pooling.h as modules, and other layers without parameters that change an image's shape.
namespace fovea::nn {

/// What pools of windows share: sizes of as many axes as their input has in space.
template <class Kernel, class Options>
class WindowPool : public Module {
 public:
  std::string description() const override;
  const Kernel& kernel() const { return kernel_; }
  const Options& options() const { return options_; }

 protected:
  WindowPool(Kernel kernel, Options options) : kernel_(kernel), options_(options) {}

  Kernel kernel_;
  Options options_;
};

/// The greatest of each window: y[b, c, i] = max over p of x[b, c, i stride + p - padding].
///   x [batch, channels, length], y [batch, channels, positions]; padding never wins
class MaxPool1d : public WindowPool<int64_t, Pool1dOptions> {
 public:
  explicit MaxPool1d(int64_t kernel, Pool1dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The greatest of each window: y[b, c, i, j] = max over p and q of x[b, c, i stride + p - padding, ...].
///   x [batch, channels, height, width], y [batch, channels, oh, ow]; padding never wins
class MaxPool2d : public WindowPool<Extent, Pool2dOptions> {
 public:
  explicit MaxPool2d(Extent kernel, Pool2dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The greatest of each window of a volume.
///   x [batch, channels, depth, height, width], y [batch, channels, od, oh, ow]; padding never wins
class MaxPool3d : public WindowPool<Extent3d, Pool3dOptions> {
 public:
  explicit MaxPool3d(Extent3d kernel, Pool3dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The mean of each window: y[b, c, i] = sum over p of x[b, c, i stride + p - padding] / kernel.
///   x [batch, channels, length], y [batch, channels, positions]; padding counts as zeros
class AvgPool1d : public WindowPool<int64_t, Pool1dOptions> {
 public:
  explicit AvgPool1d(int64_t kernel, Pool1dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The mean of each window: y[b, c, i, j] = sum over p and q of x[b, c, i stride + p - padding, ...] / (kh kw).
///   x [batch, channels, height, width], y [batch, channels, oh, ow]; padding counts as zeros
class AvgPool2d : public WindowPool<Extent, Pool2dOptions> {
 public:
  explicit AvgPool2d(Extent kernel, Pool2dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The mean of each window of a volume.
///   x [batch, channels, depth, height, width], y [batch, channels, od, oh, ow]; padding counts as zeros
class AvgPool3d : public WindowPool<Extent3d, Pool3dOptions> {
 public:
  explicit AvgPool3d(Extent3d kernel, Pool3dOptions options = {}) : WindowPool(kernel, options) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
};

/// The means of an even division of a sequence into `output` parts: part i of n runs from floor(i size / n) to ceil((i + 1)
/// size / n).
///   x [batch, channels, length], y [batch, channels, output]
class AdaptiveAvgPool1d : public Module {
 public:
  explicit AdaptiveAvgPool1d(int64_t output) : output_(output) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int64_t output() const { return output_; }

 private:
  int64_t output_;
};

/// The means of an even division of the image into `output` parts: part i of n runs from floor(i size / n) to ceil((i +
/// 1) size / n).
///   x [batch, channels, height, width], y [batch, channels, output...]
class AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(Extent output) : output_(output) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  Extent output() const { return output_; }

 private:
  Extent output_;
};

/// The means of an even division of a volume, as AdaptiveAvgPool2d's of an image.
///   x [batch, channels, depth, height, width], y [batch, channels, output...]
class AdaptiveAvgPool3d : public Module {
 public:
  explicit AdaptiveAvgPool3d(Extent3d output) : output_(output) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  Extent3d output() const { return output_; }

 private:
  Extent3d output_;
};

struct UpsampleOptions {
  bool bilinear = false;
  bool align_corners = false;  // of a bilinear one: the corner elements stay where they are, else the image's edges
};

/// Every element of an image repeated (nearest neighbour), or linear between neighbours along both axes.
///   x [batch, channels, height, width], y [batch, channels, height factor, width factor]
class Upsample : public Module {
 public:
  explicit Upsample(Extent factor, UpsampleOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  Extent factor() const { return factor_; }
  const UpsampleOptions& options() const { return options_; }

 private:
  Extent factor_;
  UpsampleOptions options_;
};

/// Every factor^2 channels of an image as a block of each of their elements: channel c factor^2 + i factor + j is row i
/// and column j of the blocks of channel c (Shi et al. 2016).
///   x [batch, channels factor^2, height, width], y [batch, channels, height factor, width factor]
class PixelShuffle : public Module {
 public:
  explicit PixelShuffle(int64_t factor) : factor_(factor) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int64_t factor() const { return factor_; }

 private:
  int64_t factor_;
};

/// Axes first to last joined into one: [batch, channels, height, width] to [batch, all].
class Flatten : public Module {
 public:
  explicit Flatten(int first = 1, int last = -1) : first_(first), last_(last) {}
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int first() const { return first_; }
  int last() const { return last_; }

 private:
  int first_, last_;
};

}  // namespace fovea::nn
