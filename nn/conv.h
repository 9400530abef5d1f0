#pragma once

#include "fovea/autograd/convolution.h"
#include "fovea/nn/module.h"

namespace fovea::nn {

/// What convolutions of sequences, images and volumes and their adjoints share: weight and bias.
class Convolution : public Module {
 public:
  std::string description() const override;

  Tensor weight;
  Tensor bias;  // undefined without one

 protected:
  struct Form {
    Shape kernel, stride, padding, dilation;
    int64_t groups;
    bool bias;
    bool transposed;
  };
  Convolution(const char* name, int64_t in, int64_t out, const Form& form, Caller caller);

 private:
  Form form_;
};

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
class Conv1d : public Convolution {
 public:
  Conv1d(int64_t in, int64_t out, int64_t kernel, Conv1dLayerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const Conv1dLayerOptions& options() const { return options_; }

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
class Conv2d : public Convolution {
 public:
  Conv2d(int64_t in, int64_t out, Extent kernel, Conv2dLayerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const Conv2dLayerOptions& options() const { return options_; }

 private:
  Conv2dLayerOptions options_;
};

struct Conv3dLayerOptions {
  Extent3d stride = 1;
  Extent3d padding = 0;
  Extent3d dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// The same over volumes: scans in medicine, frames of a film.
///   x      [batch, in, depth, height, width]
///   weight [out, in / groups, kd, kh, kw], uniform in +-1/sqrt(in / groups * kd * kh * kw); bias [out], the same
///   y      [batch, out, od, oh, ow]
class Conv3d : public Convolution {
 public:
  Conv3d(int64_t in, int64_t out, Extent3d kernel, Conv3dLayerOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const Conv3dLayerOptions& options() const { return options_; }

 private:
  Conv3dLayerOptions options_;
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
class ConvTranspose1d : public Convolution {
 public:
  ConvTranspose1d(int64_t in, int64_t out, int64_t kernel, ConvTranspose1dOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const ConvTranspose1dOptions& options() const { return options_; }

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
class ConvTranspose2d : public Convolution {
 public:
  ConvTranspose2d(int64_t in, int64_t out, Extent kernel, ConvTranspose2dOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const ConvTranspose2dOptions& options() const { return options_; }

 private:
  ConvTranspose2dOptions options_;
};

struct ConvTranspose3dOptions {
  Extent3d stride = 1;
  Extent3d padding = 0;
  Extent3d dilation = 1;
  Extent3d output_padding = 0;  // further slices, rows and columns at the end
  int64_t groups = 1;
  bool bias = true;
};

/// The adjoint of a convolution: volumes grow by the stride (Zeiler et al. 2010).
///   x      [batch, in, depth, height, width]
///   weight [in, out / groups, kd, kh, kw], uniform in +-1/sqrt(out / groups * kd * kh * kw); bias [out], the same
///   y      [batch, out, od, oh, ow]
class ConvTranspose3d : public Convolution {
 public:
  ConvTranspose3d(int64_t in, int64_t out, Extent3d kernel, ConvTranspose3dOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  const ConvTranspose3dOptions& options() const { return options_; }

 private:
  ConvTranspose3dOptions options_;
};

}  // namespace fovea::nn
