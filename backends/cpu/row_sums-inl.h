// Sums over one row for every SIMD target.
#if defined(FOVEA_BACKENDS_CPU_ROW_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_ROW_SUMS_INL_H_
#undef FOVEA_BACKENDS_CPU_ROW_SUMS_INL_H_
#else
#define FOVEA_BACKENDS_CPU_ROW_SUMS_INL_H_
#endif

#include <algorithm>

#include "fovea/backends/cpu/map_kernels-inl.h"
#include "fovea/backends/cpu/math-inl.h"
#include "fovea/backends/cpu/math_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

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
HWY_INLINE float ExpSum(const float* x, float shift, float* y, int64_t n) {
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
HWY_INLINE T DotOf(const T* x, const T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto term = [&](int64_t i) HWY_ATTR { return hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)); };
  const auto last = [&](int64_t i, int64_t rest)
                        HWY_ATTR { return hn::Mul(LoadFirst(d, x + i, rest), LoadFirst(d, y + i, rest)); };
  return Total(d, n, term, last);
}

template <class T>
HWY_INLINE T SquaresOfBlock(const T* x, T shift, int64_t n) {
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

/// A row folded as one long run.
template <Combine combine, class T>
HWY_INLINE T FoldOf(const T* x, int64_t n) {
  T result;
  RunFoldEach<T, combine>(x, n, 1, &result);
  return result;
}

/// Long rows in blocks, whose sums f64 adds up: f(first, count) is that of a block.
template <class T, class F>
HWY_INLINE T InBlocks(int64_t n, F f) {
  constexpr int64_t block = 4096;
  if (n <= block) return f(0, n);
  double total = 0;
  for (int64_t i = 0; i < n; i += block) total += static_cast<double>(f(i, std::min(block, n - i)));
  return static_cast<T>(total);
}

template <class T>
HWY_INLINE T SumOf(const T* x, int64_t n) {
  return InBlocks<T>(n, [&](int64_t i, int64_t count) HWY_ATTR { return FoldOf<Combine::sum>(x + i, count); });
}

template <class T>
HWY_INLINE T SquaresOf(const T* x, T shift, int64_t n) {
  return InBlocks<T>(n, [&](int64_t i, int64_t count) HWY_ATTR { return SquaresOfBlock(x + i, shift, count); });
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
