#pragma once

#include <cstdint>

/// Functions over arrays, vectorised; x and y may be the same array. One thread.
namespace fovea::cpu {

/// y = exp(x - shift); the sum of y.
float exp_shifted(const float* x, float shift, float* y, int64_t n);
double exp_shifted(const double* x, double shift, double* y, int64_t n);
/// The sum of exp(x - shift).
float sum_exp(const float* x, float shift, int64_t n);
double sum_exp(const double* x, double shift, int64_t n);

/// The greatest element: -inf of nothing, NaN where one is.
float maximum(const float* x, int64_t n);
double maximum(const double* x, int64_t n);
/// The sum, in several partial sums.
float sum(const float* x, int64_t n);
double sum(const double* x, int64_t n);
/// The sum of x * y.
float dot(const float* x, const float* y, int64_t n);
double dot(const double* x, const double* y, int64_t n);

}  // namespace fovea::cpu
