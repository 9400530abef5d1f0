#pragma once

#include "fovea/tensor/creation.h"

// Initial values, written in place. Each takes its numbers from `generator`.
namespace fovea::nn::init {

Tensor& constant_(Tensor& x, double value);
Tensor& zeros_(Tensor& x);
Tensor& ones_(Tensor& x);
/// The identity matrix. Throws ShapeError where x is no matrix.
Tensor& eye_(Tensor& x, Caller caller = {});

/// Uniform in [low, high).
Tensor& uniform_(Tensor& x, double low = 0, double high = 1, Generator& generator = default_generator());
Tensor& normal_(Tensor& x, double mean = 0, double deviation = 1, Generator& generator = default_generator());
/// Normal, but only between low and high, by inversion of the normal distribution. Throws ValueError unless low < high
/// and the deviation is 0 or more.
Tensor& trunc_normal_(Tensor& x, double mean = 0, double deviation = 1, double low = -2, double high = 2,
                      Generator& generator = default_generator(), Caller caller = {});

/// A new tensor, uniform within 1 / sqrt(fan), as PyTorch's layers begin; zeros where fan is 0.
Tensor by_fan(const Shape& shape, int64_t fan, Caller caller = {});

// A weight [out, in, ...] has fan_in = in * product(...) and fan_out = out * product(...); these throw ShapeError for
// fewer than two axes.

/// Uniform within gain sqrt(6 / (fan_in + fan_out)), normal with deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot
/// and Bengio 2010).
Tensor& xavier_uniform_(Tensor& x, double gain = 1, Generator& generator = default_generator(), Caller caller = {});
Tensor& xavier_normal_(Tensor& x, double gain = 1, Generator& generator = default_generator(), Caller caller = {});

/// What the variance is kept along: fan_in in the forward pass, fan_out in the backward pass.
enum class Fan : uint8_t { in, out };
struct KaimingOptions {
  double slope = 0;  // of the leaky ReLU that follows
  Fan fan = Fan::in;
};
/// Uniform within sqrt(3) d, normal with deviation d, where d = sqrt(2 / ((1 + slope^2) fan)) (He et al. 2015).
Tensor& kaiming_uniform_(Tensor& x, KaimingOptions options = {}, Generator& generator = default_generator(),
                         Caller caller = {});
Tensor& kaiming_normal_(Tensor& x, KaimingOptions options = {}, Generator& generator = default_generator(),
                        Caller caller = {});

/// Orthonormal rows or columns, whichever are fewer, times gain (Saxe et al. 2014).
Tensor& orthogonal_(Tensor& x, double gain = 1, Generator& generator = default_generator(), Caller caller = {});

}  // namespace fovea::nn::init
