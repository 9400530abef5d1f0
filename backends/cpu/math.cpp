#include "fovea/backends/cpu/math.h"

#include <cmath>

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
float Sum32(const float* x, int64_t n) { return SumOf(x, n); }
double Sum64(const double* x, int64_t n) { return SumOf(x, n); }
float Maximum32(const float* x, int64_t n) { return FoldOf<Combine::maximum>(x, n); }
double Maximum64(const double* x, int64_t n) { return FoldOf<Combine::maximum>(x, n); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(ExpSum32);
FOVEA_VERSIONS(Dot32);
FOVEA_VERSIONS(Dot64);
FOVEA_VERSIONS(Sum32);
FOVEA_VERSIONS(Sum64);
FOVEA_VERSIONS(Maximum32);
FOVEA_VERSIONS(Maximum64);

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

float maximum(const float* x, int64_t n) { return FOVEA_DISPATCH(Maximum32)(x, n); }
double maximum(const double* x, int64_t n) { return FOVEA_DISPATCH(Maximum64)(x, n); }
float sum(const float* x, int64_t n) { return FOVEA_DISPATCH(Sum32)(x, n); }
double sum(const double* x, int64_t n) { return FOVEA_DISPATCH(Sum64)(x, n); }
float dot(const float* x, const float* y, int64_t n) { return FOVEA_DISPATCH(Dot32)(x, y, n); }
double dot(const double* x, const double* y, int64_t n) { return FOVEA_DISPATCH(Dot64)(x, y, n); }

}  // namespace fovea::cpu
#endif
