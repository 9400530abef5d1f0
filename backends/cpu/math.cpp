#include "fovea/backends/cpu/math.h"

#include <algorithm>
#include <cmath>

#include "fovea/backends/cpu/map_kernels.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/math.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/row_sums-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

float ExpSum32(const float* x, float shift, float* y, int64_t n) { return ExpSum(x, shift, y, n); }
float Dot32(const float* x, const float* y, int64_t n) { return DotOf(x, y, n); }
double Dot64(const double* x, const double* y, int64_t n) { return DotOf(x, y, n); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(ExpSum32);
FOVEA_VERSIONS(Dot32);
FOVEA_VERSIONS(Dot64);

template <class T>
T fold(Combine combine, const T* x, int64_t n) {
  T result;
  kernels<T>().fold_each[static_cast<int>(combine)](x, n, 1, &result);
  return result;
}

/// Long arrays in blocks, whose sums f64 adds up.
template <class T>
T total(const T* x, int64_t n) {
  constexpr int64_t block = 4096;
  double sum = 0;
  for (int64_t i = 0; i < n; i += block) {
    sum += static_cast<double>(fold(Combine::sum, x + i, std::min(block, n - i)));
  }
  return static_cast<T>(sum);
}

}  // namespace

float exp_shifted(const float* x, float shift, float* y, int64_t n) { return FOVEA_DISPATCH(ExpSum32)(x, shift, y, n); }
double exp_shifted(const double* x, double shift, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - shift);
  return sum(y, n);
}
float sum_exp(const float* x, float shift, int64_t n) { return FOVEA_DISPATCH(ExpSum32)(x, shift, nullptr, n); }
double sum_exp(const double* x, double shift, int64_t n) {
  double partial[4] = {};
  for (int64_t i = 0; i < n; ++i) partial[i % 4] += std::exp(x[i] - shift);
  return (partial[0] + partial[2]) + (partial[1] + partial[3]);
}

float maximum(const float* x, int64_t n) { return fold(Combine::maximum, x, n); }
double maximum(const double* x, int64_t n) { return fold(Combine::maximum, x, n); }
float sum(const float* x, int64_t n) { return total(x, n); }
double sum(const double* x, int64_t n) { return total(x, n); }
float dot(const float* x, const float* y, int64_t n) { return FOVEA_DISPATCH(Dot32)(x, y, n); }
double dot(const double* x, const double* y, int64_t n) { return FOVEA_DISPATCH(Dot64)(x, y, n); }

}  // namespace fovea::cpu
#endif
