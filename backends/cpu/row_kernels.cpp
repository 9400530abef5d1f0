#include "fovea/backends/cpu/row_kernels.h"

#include <algorithm>
#include <cmath>

#include "fovea/backends/cpu/math.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/row_kernels.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "fovea/backends/cpu/row_sums-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

/// y[i] = f(d, vectors of the operands at i) over a row.
template <class T, class F, class... In>
HWY_INLINE void ForRow(int64_t n, T* y, F f, const In*... in) {
  const hn::ScalableTag<T> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + width <= n; i += width) hn::StoreU(f(i, hn::LoadU(d, in + i)...), d, y + i);
  if (i < n) StoreFirst(d, f(i, LoadFirst(d, in + i, n - i)...), y + i, n - i);
}

void SoftmaxRow(const float* x, float* y, int64_t n, bool log) {
  const hn::ScalableTag<float> d;
  const float shift = FoldOf<Combine::maximum>(x, n);
  if (log) {
    // shift + log_sum would lose the digits of large logits.
    const auto greatest = hn::Set(d, shift), log_sum = hn::Set(d, std::log(ExpSum(x, shift, nullptr, n)));
    ForRow(
        n, y, [&](int64_t, auto v) HWY_ATTR { return hn::Sub(hn::Sub(v, greatest), log_sum); }, x);
  } else {
    const auto share = hn::Set(d, 1 / ExpSum(x, shift, y, n));
    ForRow(
        n, y, [&](int64_t, auto v) HWY_ATTR { return hn::Mul(v, share); }, y);
  }
}

void SoftmaxBackwardRow(const float* y, const float* dy, float* dx, int64_t n, bool log) {
  const hn::ScalableTag<float> d;
  const auto total = hn::Set(d, log ? SumOf(dy, n) : DotOf(y, dy, n));
  if (log) {
    ForRow(
        n, dx, [&](int64_t, auto v, auto g) HWY_ATTR { return hn::Sub(g, hn::Mul(Exp(d, v), total)); }, y, dy);
  } else {
    ForRow(
        n, dx, [&](int64_t, auto v, auto g) HWY_ATTR { return hn::Mul(v, hn::Sub(g, total)); }, y, dy);
  }
}

/// `count` vectors of all rows, kept in registers from the first row to the last.
template <int count, class D>
HWY_INLINE void SumColumns(D d, const RowsToSum& rows, int64_t column, float* out) {
  constexpr auto width = static_cast<int64_t>(hn::MaxLanes(D()));
  hn::Vec<D> sums[count];
  for (int k = 0; k < count; ++k) sums[k] = hn::Zero(d);
  for (int64_t j = 0; j < rows.count; ++j) {
    const float* x = rows.table + int64_t{rows.index[j]} * rows.width + column;
    const float* next =
        rows.table + int64_t{rows.index[std::min(j + rows.ahead, rows.known - 1)]} * rows.width + column;
    for (int k = 0; k < count; ++k) {
      hwy::Prefetch(next + k * width);
      sums[k] = hn::Add(sums[k], hn::LoadU(d, x + k * width));
    }
  }
  for (int k = 0; k < count; ++k) hn::StoreU(sums[k], d, out + column + k * width);
}

void SumRows(const RowsToSum& rows, float* out) {
  const hn::ScalableTag<float> d;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 4 * width <= rows.width; c += 4 * width) SumColumns<4>(d, rows, c, out);
  for (; c + width <= rows.width; c += width) SumColumns<1>(d, rows, c, out);
  if (c == rows.width) return;
  auto sum = hn::Zero(d);
  for (int64_t j = 0; j < rows.count; ++j)
    sum = hn::Add(sum, LoadFirst(d, rows.table + int64_t{rows.index[j]} * rows.width + c, rows.width - c));
  StoreFirst(d, sum, out + c, rows.width - c);
}

template <class T>
HWY_INLINE Moments<T> NormOf(const Norm<T>& norm, const T* x, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const T count = static_cast<T>(n), mean = norm.rms ? T(0) : SumOf(x, n) / count;
  const T rstd = 1 / std::sqrt(SquaresOf(x, mean, n) / count + norm.eps);
  const auto by = hn::Set(d, rstd), from = hn::Set(d, mean);
  const auto normal = [&](auto v) HWY_ATTR { return hn::Mul(hn::Sub(v, from), by); };
  // Rows come one after the other, and a machine foresees none beyond a page.
  const auto ahead = [&](int64_t i) HWY_ATTR { hwy::Prefetch(x + n + i); };
  if (norm.weight && norm.bias) {
    const auto f = [&](int64_t i, auto v, auto weight, auto bias) HWY_ATTR {
      ahead(i);
      return hn::Add(hn::Mul(normal(v), weight), bias);
    };
    ForRow(n, y, f, x, norm.weight, norm.bias);
  } else if (norm.weight || norm.bias) {
    const auto f = [&](int64_t i, auto v, auto other) HWY_ATTR {
      ahead(i);
      return norm.weight ? hn::Mul(normal(v), other) : hn::Add(normal(v), other);
    };
    ForRow(n, y, f, x, norm.weight ? norm.weight : norm.bias);
  } else {
    const auto f = [&](int64_t i, auto v) HWY_ATTR {
      ahead(i);
      return normal(v);
    };
    ForRow(n, y, f, x);
  }
  return {mean, rstd};
}

// With g = dy * weight and h = (x - mean) * rstd: dx = rstd * (g - mean(g) - h * mean(g * h)), where rms lacks the
// middle term.
template <class T>
HWY_INLINE void NormBackwardOf(const Norm<T>& norm, const Moments<T>& moments, const T* x, const T* dy, T* h, T* dx,
                               T* dweight, T* dbias, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto by = hn::Set(d, moments.rstd), from = hn::Set(d, norm.rms ? T(0) : moments.mean);
  ForRow(
      n, h, [&](int64_t, auto v) HWY_ATTR { return hn::Mul(hn::Sub(v, from), by); }, x);
  if (dweight) {
    ForRow(
        n, dweight, [&](int64_t, auto w, auto g, auto v) HWY_ATTR { return hn::Add(w, hn::Mul(g, v)); }, dweight, dy,
        static_cast<const T*>(h));
    ForRow(
        n, dbias, [&](int64_t, auto b, auto g) HWY_ATTR { return hn::Add(b, g); }, dbias, dy);
  }
  if (!dx) return;
  const T* g = dy;
  if (norm.weight) {
    ForRow(
        n, dx, [&](int64_t, auto v, auto w) HWY_ATTR { return hn::Mul(v, w); }, dy, norm.weight);
    g = dx;
  }
  const T count = static_cast<T>(n);
  const auto shift = hn::Set(d, norm.rms ? T(0) : SumOf(g, n) / count), slope = hn::Set(d, DotOf(g, h, n) / count);
  const auto f = [&](int64_t, auto v, auto normal)
                     HWY_ATTR { return hn::Mul(by, hn::Sub(hn::Sub(v, shift), hn::Mul(normal, slope))); };
  ForRow(n, dx, f, g, static_cast<const T*>(h));
}

Moments<float> Norm32(const Norm<float>& norm, const float* x, float* y, int64_t n) { return NormOf(norm, x, y, n); }
Moments<double> Norm64(const Norm<double>& norm, const double* x, double* y, int64_t n) {
  return NormOf(norm, x, y, n);
}
void NormBackward32(const Norm<float>& norm, const Moments<float>& moments, const float* x, const float* dy, float* h,
                    float* dx, float* dweight, float* dbias, int64_t n) {
  NormBackwardOf(norm, moments, x, dy, h, dx, dweight, dbias, n);
}
void NormBackward64(const Norm<double>& norm, const Moments<double>& moments, const double* x, const double* dy,
                    double* h, double* dx, double* dweight, double* dbias, int64_t n) {
  NormBackwardOf(norm, moments, x, dy, h, dx, dweight, dbias, n);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {
namespace {

FOVEA_VERSIONS(SoftmaxRow);
FOVEA_VERSIONS(SoftmaxBackwardRow);
FOVEA_VERSIONS(SumRows);
FOVEA_VERSIONS(Norm32);
FOVEA_VERSIONS(Norm64);
FOVEA_VERSIONS(NormBackward32);
FOVEA_VERSIONS(NormBackward64);

}  // namespace

void softmax_row(const float* x, float* y, int64_t n, bool log) { FOVEA_DISPATCH(SoftmaxRow)(x, y, n, log); }
void softmax_backward_row(const float* y, const float* dy, float* dx, int64_t n, bool log) {
  FOVEA_DISPATCH(SoftmaxBackwardRow)(y, dy, dx, n, log);
}

// f64's exponentials are the C library's.
void softmax_row(const double* x, double* y, int64_t n, bool log) {
  const double shift = maximum(x, n);
  if (log) {
    const double log_sum = std::log(sum_exp(x, shift, n));
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - shift) - log_sum;
  } else {
    const double share = 1 / exp_shifted(x, shift, y, n);
    for (int64_t i = 0; i < n; ++i) y[i] *= share;
  }
}
void softmax_backward_row(const double* y, const double* dy, double* dx, int64_t n, bool log) {
  const double total = log ? sum(dy, n) : dot(y, dy, n);
  for (int64_t i = 0; i < n; ++i) dx[i] = log ? dy[i] - std::exp(y[i]) * total : y[i] * (dy[i] - total);
}

void sum_rows(const RowsToSum& rows, float* out) { FOVEA_DISPATCH(SumRows)(rows, out); }

Moments<float> norm_row(const Norm<float>& norm, const float* x, float* y, int64_t n) {
  return FOVEA_DISPATCH(Norm32)(norm, x, y, n);
}
Moments<double> norm_row(const Norm<double>& norm, const double* x, double* y, int64_t n) {
  return FOVEA_DISPATCH(Norm64)(norm, x, y, n);
}
void norm_backward_row(const Norm<float>& norm, const Moments<float>& moments, const float* x, const float* dy,
                       float* h, float* dx, float* dweight, float* dbias, int64_t n) {
  FOVEA_DISPATCH(NormBackward32)(norm, moments, x, dy, h, dx, dweight, dbias, n);
}
void norm_backward_row(const Norm<double>& norm, const Moments<double>& moments, const double* x, const double* dy,
                       double* h, double* dx, double* dweight, double* dbias, int64_t n) {
  FOVEA_DISPATCH(NormBackward64)(norm, moments, x, dy, h, dx, dweight, dbias, n);
}

}  // namespace fovea::cpu
#endif
