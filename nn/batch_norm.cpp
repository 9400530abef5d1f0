#include "fovea/nn/batch_norm.h"

#include "fovea/autograd/batch_norm.h"
#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/graph.h"
#include "fovea/autograd/space.h"
#include "fovea/tensor/creation.h"

namespace fovea::nn {

BatchNorm::BatchNorm(int64_t channels, int least_rank, int greatest_rank, BatchNormOptions options, Caller caller)
    : channels_(channels), least_rank_(least_rank), greatest_rank_(greatest_rank), options_(options) {
  if (channels < 1) raise<ValueError>(caller, "BatchNorm: {} channels", channels);
  if (!(options.eps >= 0)) raise<ValueError>(caller, "BatchNorm: eps {} is negative", options.eps);
  if (options.affine) {
    weight = ones({channels}, {}, caller);
    bias = zeros({channels}, {}, caller);
    add("weight", weight);
    add("bias", bias);
  }
  if (options.running_statistics) {
    running_mean = zeros({channels}, {}, caller);
    running_var = ones({channels}, {}, caller);
    num_batches_tracked = zeros({}, {.dtype = i32});
    add_buffer("running_mean", running_mean);
    add_buffer("running_var", running_var);
    add_buffer("num_batches_tracked", num_batches_tracked);
  }
}

Tensor BatchNorm::forward(const Tensor& x, Caller caller) const {
  static const Elementwise follow{"running_statistics", [](Expr old, Expr now, Scalar part, Scalar scale) {
                                    return old + part * (now * scale - old);
                                  }};
  const Scope scope(*this, caller);
  if (x.rank() < least_rank_ || x.rank() > greatest_rank_ || x.shape()[1] != channels_) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, {}, {}]", type_name(), x.shape(), channels_,
                      least_rank_ < greatest_rank_ ? "..." : names_of_space(greatest_rank_ - 2));
  }
  if (!training() && options_.running_statistics) {
    return batch_norm_eval(x, running_mean, running_var, weight, bias, options_.eps, caller);
  }
  const int64_t elements = x.numel() / channels_;
  if (training() && elements < 2) {
    raise<ValueError>(caller, "{}: one element per channel has no variance to train with: input {}", type_name(),
                      x.shape());
  }
  const BatchNormResult made = batch_norm(x, weight, bias, options_.eps, caller);
  if (training() && options_.running_statistics) {
    const NoGrad off;
    const double unbiased = static_cast<double>(elements) / static_cast<double>(elements - 1);
    follow.into({&running_mean}, {running_mean, made.mean, options_.momentum, 1.0});
    follow.into({&running_var}, {running_var, made.variance, options_.momentum, unbiased});
    Tensor count = num_batches_tracked;
    count.add_(ones_like(count));
  }
  return made.y;
}

std::string BatchNorm::description() const { return fmt::format("{}, momentum={}", channels_, options_.momentum); }

InstanceNorm::InstanceNorm(int64_t channels, int space, InstanceNormOptions options, Caller caller)
    : channels_(channels), space_(space), options_(options) {
  if (channels < 1) raise<ValueError>(caller, "InstanceNorm: {} channels", channels);
  if (!(options.eps >= 0)) raise<ValueError>(caller, "InstanceNorm: eps {} is negative", options.eps);
  if (!options.affine) return;
  weight = ones({channels}, {}, caller);
  bias = zeros({channels}, {}, caller);
  add("weight", weight);
  add("bias", bias);
}

Tensor InstanceNorm::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  const bool batched = x.rank() == space_ + 2;
  if ((!batched && x.rank() != space_ + 1) || x.shape()[batched ? 1 : 0] != channels_) {
    raise<ShapeError>(caller, "{}: input {} is not [batch, {}, {}]", type_name(), x.shape(), channels_,
                      names_of_space(space_));
  }
  if (training() && x.numel() > 0 && x.numel() == channels_ * (batched ? x.shape()[0] : 1)) {
    raise<ValueError>(caller, "{}: one element per channel has no variance to train with: input {}", type_name(),
                      x.shape());
  }
  const Tensor y = group_norm(batched ? x : x.unsqueeze(0), channels_, weight, bias, options_.eps, caller);
  return batched ? y : y.squeeze(0);
}

std::string InstanceNorm::description() const { return fmt::format("{}", channels_); }

GroupNorm::GroupNorm(int64_t groups, int64_t channels, GroupNormOptions options, Caller caller)
    : groups_(groups), channels_(channels), options_(options) {
  if (groups < 1 || channels < 1 || channels % groups != 0) {
    raise<ValueError>(caller, "GroupNorm: {} channels do not divide into {} groups", channels, groups);
  }
  if (!(options.eps >= 0)) raise<ValueError>(caller, "GroupNorm: eps {} is negative", options.eps);
  if (!options.affine) return;
  weight = ones({channels}, {}, caller);
  bias = zeros({channels}, {}, caller);
  add("weight", weight);
  add("bias", bias);
}

Tensor GroupNorm::forward(const Tensor& x, Caller caller) const {
  const Scope scope(*this, caller);
  if (x.rank() < 2 || x.shape()[1] != channels_) {
    raise<ShapeError>(caller, "GroupNorm: input {} is not [batch, {}, ...]", x.shape(), channels_);
  }
  return group_norm(x, groups_, weight, bias, options_.eps, caller);
}

std::string GroupNorm::description() const { return fmt::format("{}, {}", groups_, channels_); }

}  // namespace fovea::nn
