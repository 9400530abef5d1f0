#pragma once

#include <cstdint>

/// Softmax and norms of one row of n elements, vectorised. One thread.
namespace fovea::cpu {

/// y = exp(x - max x) / sum exp(x - max x), or its logarithm.
void softmax_row(const float* x, float* y, int64_t n, bool log);
void softmax_row(const double* x, double* y, int64_t n, bool log);
/// dx = y * (dy - sum y dy); of the logarithm: dy - exp(y) * sum dy.
void softmax_backward_row(const float* y, const float* dy, float* dx, int64_t n, bool log);
void softmax_backward_row(const double* y, const double* dy, double* dx, int64_t n, bool log);

/// Rows of a dense table of `width` columns: those that index[0], ..., index[count - 1] name. A row is asked for `ahead`
/// positions before its turn, as far as `known` positions go.
struct RowsToSum {
  const float* table;
  int64_t width;
  const int32_t* index;
  int64_t count, ahead, known;
};
/// out [width] = their sum, in order.
void sum_rows(const RowsToSum& rows, float* out);

template <class V>
struct Moments {
  V mean, rstd;
};

/// What a norm's weight and bias (either may be null) and the constant below its root are; `rms` takes the mean as 0.
template <class V>
struct Norm {
  const V *weight, *bias;
  V eps;
  bool rms;
};

/// y = (x - mean) * rstd * weight + bias.
Moments<float> norm_row(const Norm<float>& norm, const float* x, float* y, int64_t n);
Moments<double> norm_row(const Norm<double>& norm, const double* x, double* y, int64_t n);

/// Of dy: dx, which may be null, and what is added to dweight and dbias, which may be null together. `h` is room for n.
void norm_backward_row(const Norm<float>& norm, const Moments<float>& moments, const float* x, const float* dy,
                       float* h, float* dx, float* dweight, float* dbias, int64_t n);
void norm_backward_row(const Norm<double>& norm, const Moments<double>& moments, const double* x, const double* dy,
                       double* h, double* dx, double* dweight, double* dbias, int64_t n);

}  // namespace fovea::cpu
