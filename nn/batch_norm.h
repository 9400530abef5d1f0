#pragma once

#include "fovea/nn/module.h"

namespace fovea::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;           // how much of a new batch the running statistics take in
  bool affine = true;              // with weight and bias
  bool running_statistics = true;  // without: evaluation uses the batch's own, too
};

/// (x - mean) / sqrt(variance + eps) * weight + bias per channel (Ioffe and Szegedy 2015): in training with the batch's
/// mean and variance, in evaluation with the running ones.
///   x, y                       [batch, channels] or [batch, channels, length] (1d), [batch, channels, h, w] (2d),
///                              [batch, channels, d, h, w] (3d)
///   weight, bias               [channels], ones and zeros
///   running_mean, running_var  buffers [channels], zeros and ones: running = (1 - momentum) running + momentum batch,
///                              with n / (n - 1) times the batch's variance of n elements
///   num_batches_tracked        buffer [], i32: how many batches they have seen
class BatchNorm : public Module {
 public:
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  const BatchNormOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;
  Tensor running_mean;
  Tensor running_var;
  Tensor num_batches_tracked;

 protected:
  BatchNorm(int64_t channels, int least_rank, int greatest_rank, BatchNormOptions options, Caller caller);

 private:
  int64_t channels_;
  int least_rank_, greatest_rank_;
  BatchNormOptions options_;
};

class BatchNorm1d : public BatchNorm {
 public:
  explicit BatchNorm1d(int64_t channels, BatchNormOptions options = {}, Caller caller = {})
      : BatchNorm(channels, 2, 3, options, caller) {}
};

class BatchNorm2d : public BatchNorm {
 public:
  explicit BatchNorm2d(int64_t channels, BatchNormOptions options = {}, Caller caller = {})
      : BatchNorm(channels, 4, 4, options, caller) {}
};

class BatchNorm3d : public BatchNorm {
 public:
  explicit BatchNorm3d(int64_t channels, BatchNormOptions options = {}, Caller caller = {})
      : BatchNorm(channels, 5, 5, options, caller) {}
};

struct InstanceNormOptions {
  double eps = 1e-5;
  bool affine = false;  // with weight and bias
};

/// (x - mean) / sqrt(variance + eps) * weight + bias with the mean and variance of each sample's channel alone (Ulyanov
/// et al. 2016), in evaluation too.
///   x, y         [batch, channels, length] (1d), [batch, channels, h, w] (2d), [batch, channels, d, h, w] (3d); the
///                batch axis may be absent
///   weight, bias [channels], ones and zeros
class InstanceNorm : public Module {
 public:
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int64_t channels() const { return channels_; }
  const InstanceNormOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;

 protected:
  InstanceNorm(int64_t channels, int space, InstanceNormOptions options, Caller caller);

 private:
  int64_t channels_;
  int space_;
  InstanceNormOptions options_;
};

class InstanceNorm1d : public InstanceNorm {
 public:
  explicit InstanceNorm1d(int64_t channels, InstanceNormOptions options = {}, Caller caller = {})
      : InstanceNorm(channels, 1, options, caller) {}
};

class InstanceNorm2d : public InstanceNorm {
 public:
  explicit InstanceNorm2d(int64_t channels, InstanceNormOptions options = {}, Caller caller = {})
      : InstanceNorm(channels, 2, options, caller) {}
};

class InstanceNorm3d : public InstanceNorm {
 public:
  explicit InstanceNorm3d(int64_t channels, InstanceNormOptions options = {}, Caller caller = {})
      : InstanceNorm(channels, 3, options, caller) {}
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
};

/// Each sample's channels in groups, each normalised by its own mean and variance (Wu and He 2018).
///   x, y         [batch, channels, ...]
///   weight, bias [channels], ones and zeros
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, GroupNormOptions options = {}, Caller caller = {});
  Tensor forward(const Tensor& x, Caller caller = {}) const;
  std::string description() const override;
  int64_t groups() const { return groups_; }
  int64_t channels() const { return channels_; }
  const GroupNormOptions& options() const { return options_; }

  Tensor weight;
  Tensor bias;

 private:
  int64_t groups_, channels_;
  GroupNormOptions options_;
};

}  // namespace fovea::nn
