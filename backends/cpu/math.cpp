#include "fovea/backends/cpu/math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/backends/cpu/map_kernels.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/math.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/math-inl.h"
#include "fovea/backends/cpu/math_lanes-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

/// The sum of term(i) over whole vectors from i = 0 and of last(i, rest) over the rest, in four partial sums.
template <class D, class Term, class Last>
HWY_INLINE hn::TFromD<D> Total(D d, int64_t n, Term term, Last last) {
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    s0 = hn::Add(s0, term(i));
    s1 = hn::Add(s1, term(i + width));
    s2 = hn::Add(s2, term(i + 2 * width));
    s3 = hn::Add(s3, term(i + 3 * width));
  }
  for (; i + width <= n; i += width) s0 = hn::Add(s0, term(i));
  if (i < n) s1 = hn::Add(s1, last(i, n - i));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

/// y may be null.
float ExpSum(const float* x, float shift, float* y, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto by = hn::Set(d, shift);
  const auto term = [&](int64_t i) HWY_ATTR {
    const auto e = Exp(d, hn::Sub(hn::LoadU(d, x + i), by));
    if (y) hn::StoreU(e, d, y + i);
    return e;
  };
  const auto last = [&](int64_t i, int64_t rest) HWY_ATTR {
    const auto e = Exp(d, hn::Sub(LoadFirst(d, x + i, rest), by));
    if (y) StoreFirst(d, e, y + i, rest);
    return hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(rest)), e);
  };
  return Total(d, n, term, last);
}

template <class T>
T DotOf(const T* x, const T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto term = [&](int64_t i) HWY_ATTR { return hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)); };
  const auto last = [&](int64_t i, int64_t rest)
                        HWY_ATTR { return hn::Mul(LoadFirst(d, x + i, rest), LoadFirst(d, y + i, rest)); };
  return Total(d, n, term, last);
}

template <class T>
T SquaresOf(const T* x, T shift, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto by = hn::Set(d, shift);
  const auto term = [&](int64_t i) HWY_ATTR {
    const auto v = hn::Sub(hn::LoadU(d, x + i), by);
    return hn::Mul(v, v);
  };
  const auto last = [&](int64_t i, int64_t rest) HWY_ATTR {
    const auto v = hn::Sub(LoadFirst(d, x + i, rest), by);
    return hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(rest)), hn::Mul(v, v));
  };
  return Total(d, n, term, last);
}

template <class T>
void ScaleOf(const T* x, T shift, T scale, const T* weight, const T* bias, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  const auto by = hn::Set(d, scale), from = hn::Set(d, shift);
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    hwy::Prefetch(x + n + i);  // rows come one after the other, and a machine foresees none beyond a page
    auto v = hn::Mul(hn::Sub(hn::LoadU(d, x + i), from), by);
    if (weight) v = hn::Mul(v, hn::LoadU(d, weight + i));
    if (bias) v = hn::Add(v, hn::LoadU(d, bias + i));
    hn::StoreU(v, d, y + i);
  }
  if (const int64_t rest = n - i; rest > 0) {
    auto v = hn::Mul(hn::Sub(LoadFirst(d, x + i, rest), from), by);
    if (weight) v = hn::Mul(v, LoadFirst(d, weight + i, rest));
    if (bias) v = hn::Add(v, LoadFirst(d, bias + i, rest));
    StoreFirst(d, v, y + i, rest);
  }
}

float Squares32(const float* x, float shift, int64_t n) { return SquaresOf(x, shift, n); }
double Squares64(const double* x, double shift, int64_t n) { return SquaresOf(x, shift, n); }
void Scale32(const float* x, float shift, float scale, const float* weight, const float* bias, float* y, int64_t n) {
  ScaleOf(x, shift, scale, weight, bias, y, n);
}
void Scale64(const double* x, double shift, double scale, const double* weight, const double* bias, double* y,
             int64_t n) {
  ScaleOf(x, shift, scale, weight, bias, y, n);
}
float Dot32(const float* x, const float* y, int64_t n) { return DotOf(x, y, n); }
double Dot64(const double* x, const double* y, int64_t n) { return DotOf(x, y, n); }

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(ExpSum);
FOVEA_VERSIONS(Dot32);
FOVEA_VERSIONS(Dot64);
FOVEA_VERSIONS(Squares32);
FOVEA_VERSIONS(Squares64);
FOVEA_VERSIONS(Scale32);
FOVEA_VERSIONS(Scale64);

template <class T>
void apply(Op op, const T* x, T* y, int64_t n) {
  const Operand operands[] = {{const_cast<T*>(x), 1}, {y, 1}};
  const Step step{nullptr, {0, 0, 0}, 1};
  kernels<T>().op[static_cast<int>(op)](step, operands, n);
}

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

void exp(const float* x, float* y, int64_t n) { apply(Op::exp, x, y, n); }
void exp(const double* x, double* y, int64_t n) { apply(Op::exp, x, y, n); }

float exp_shifted(const float* x, float shift, float* y, int64_t n) { return FOVEA_DISPATCH(ExpSum)(x, shift, y, n); }
double exp_shifted(const double* x, double shift, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - shift);
  return sum(y, n);
}
float sum_exp(const float* x, float shift, int64_t n) { return FOVEA_DISPATCH(ExpSum)(x, shift, nullptr, n); }
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

float sum_squares(const float* x, float shift, int64_t n) { return FOVEA_DISPATCH(Squares32)(x, shift, n); }
double sum_squares(const double* x, double shift, int64_t n) { return FOVEA_DISPATCH(Squares64)(x, shift, n); }
void scale(const float* x, float shift, float by, const float* weight, const float* bias, float* y, int64_t n) {
  FOVEA_DISPATCH(Scale32)(x, shift, by, weight, bias, y, n);
}
void scale(const double* x, double shift, double by, const double* weight, const double* bias, double* y, int64_t n) {
  FOVEA_DISPATCH(Scale64)(x, shift, by, weight, bias, y, n);
}

}  // namespace fovea::cpu
#endif
