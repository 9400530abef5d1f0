#pragma once

#include "fovea/autograd/convolution.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

struct Conv1dLayerOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// y[b, o, i] = bias[o] + sum over c and p of weight[o, c, p] x[b, c, i stride + p dilation - padding].
///   x      [batch, in, length]
///   weight [out, in / groups, kernel], uniform in +-1/sqrt(in / groups * kernel); bias [out], the same
///   y      [batch, out, positions]
class Conv1d : public Module {
 public:
  Conv1d(int64_t in, int64_t out, int64_t kernel, Conv1dLayerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const Conv1dLayerOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;  // undefined without one

 private:
  Conv1dLayerOptions options_;
};

struct Conv2dLayerOptions {
  Extent stride = 1;
  Extent padding = 0;
  Extent dilation = 1;
  int64_t groups = 1;  // as many as channels: depthwise
  bool bias = true;
};

/// The same over images (LeCun et al. 1989).
///   x      [batch, in, height, width]
///   weight [out, in / groups, kh, kw], uniform in +-1/sqrt(in / groups * kh * kw); bias [out], the same
///   y      [batch, out, oh, ow]
class Conv2d : public Module {
 public:
  Conv2d(int64_t in, int64_t out, Extent kernel, Conv2dLayerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const Conv2dLayerOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;

 private:
  Conv2dLayerOptions options_;
};

struct ConvTranspose1dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t output_padding = 0;  // further elements at the end
  int64_t groups = 1;
  bool bias = true;
};

/// The adjoint of a convolution: sequences grow by the stride (Zeiler et al. 2010).
///   x      [batch, in, length]
///   weight [in, out / groups, kernel], uniform in +-1/sqrt(out / groups * kernel); bias [out], the same
///   y      [batch, out, positions]
class ConvTranspose1d : public Module {
 public:
  ConvTranspose1d(int64_t in, int64_t out, int64_t kernel, ConvTranspose1dOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const ConvTranspose1dOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;  // undefined without one

 private:
  ConvTranspose1dOptions options_;
};

struct ConvTranspose2dOptions {
  Extent stride = 1;
  Extent padding = 0;
  Extent dilation = 1;
  Extent output_padding = 0;  // further rows and columns at the end
  int64_t groups = 1;
  bool bias = true;
};

/// The adjoint of a convolution: images grow by the stride (Zeiler et al. 2010).
///   x      [batch, in, height, width]
///   weight [in, out / groups, kh, kw], uniform in +-1/sqrt(out / groups * kh * kw); bias [out], the same
///   y      [batch, out, oh, ow]
class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(int64_t in, int64_t out, Extent kernel, ConvTranspose2dOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const ConvTranspose2dOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;

 private:
  ConvTranspose2dOptions options_;
};

}  // namespace fovea::nn
