#pragma once

#include "fovea/tensor/tensor.h"

// Normalisation over axes other than the last: x is [batch, channels] or [batch, channels, space...].
namespace fovea {

struct BatchNormResult {
  Tensor y;
  Tensor mean;      // [channels], of the batch
  Tensor variance;  // [channels], of the batch: the mean squared deviation
};
/// (x - mean) / sqrt(variance + eps) * weight + bias with the batch's own mean and variance of each channel (Ioffe and
/// Szegedy 2015); weight and bias [channels] may be undefined. Mean and variance come back outside the graph, which
/// keeps the mean: changed in place, it makes the backward pass throw. Throws ShapeError, DTypeError; ValueError where a
/// channel has no element.
BatchNormResult batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5,
                           Caller caller = {});
/// The same with a given mean and variance [channels].
Tensor batch_norm_eval(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight = {},
                       const Tensor& bias = {}, double eps = 1e-5, Caller caller = {});

/// Each sample's channels in `groups` of neighbours, each normalised by its own mean and variance, then weighted per
/// channel (Wu and He 2018). As many groups as channels: instance norm.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5, Caller caller = {});

}  // namespace fovea
