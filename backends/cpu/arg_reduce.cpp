#include <algorithm>
#include <limits>
#include <type_traits>

#include "fovea/backends/cpu/elements.h"
#include "fovea/backends/cpu/kernels.h"
#include "fovea/backends/cpu/scratch.h"
#include "fovea/backends/cpu/simd_targets.h"
#include "fovea/backends/cpu/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/arg_reduce.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>>
HWY_INLINE auto is_nan(D, V v) {
  if constexpr (hwy::IsFloat<hn::TFromD<D>>()) {
    return hn::IsNaN(v);
  } else {
    return hn::Ne(v, v);
  }
}

// The greatest or least of n elements, a vector at least; NaN where there is one.
template <bool Least, class T>
HWY_INLINE T extreme_of(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto further = [](auto a, auto b) HWY_ATTR {
    if constexpr (Least) {
      return hn::Min(a, b);
    } else {
      return hn::Max(a, b);
    }
  };
  // Four at once: one would wait for the last.
  auto a = hn::LoadU(d, x), b = a, c = a, e = hn::LoadU(d, x + n - lanes);
  auto nan = hn::Or(is_nan(d, a), is_nan(d, e));
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v0 = hn::LoadU(d, x + i), v1 = hn::LoadU(d, x + i + lanes), v2 = hn::LoadU(d, x + i + 2 * lanes),
               v3 = hn::LoadU(d, x + i + 3 * lanes);
    a = further(a, v0);
    b = further(b, v1);
    c = further(c, v2);
    e = further(e, v3);
    if constexpr (hwy::IsFloat<T>())
      nan = hn::Or(nan, hn::Or(hn::Or(is_nan(d, v0), is_nan(d, v1)), hn::Or(is_nan(d, v2), is_nan(d, v3))));
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    a = further(a, v);
    if constexpr (hwy::IsFloat<T>()) nan = hn::Or(nan, is_nan(d, v));
  }
  if constexpr (hwy::IsFloat<T>()) {
    if (!hn::AllFalse(d, nan)) return std::numeric_limits<T>::quiet_NaN();
  }
  const auto all = further(further(a, b), further(c, e));
  if constexpr (Least) {
    return hn::GetLane(hn::MinOfLanes(d, all));
  } else {
    return hn::GetLane(hn::MaxOfLanes(d, all));
  }
}

// The first of n elements, a vector at least, that equals `value`, which one does; with a NaN the first NaN.
template <class T>
HWY_INLINE int64_t first_equal(const T* x, int64_t n, T value) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto wanted = hn::Set(d, value);
  const bool nan = value != value;
  for (int64_t i = 0;; i = std::min(i + lanes, n - lanes)) {
    const auto v = hn::LoadU(d, x + i);
    const auto found = hn::FindFirstTrue(d, nan ? is_nan(d, v) : hn::Eq(v, wanted));
    if (found >= 0) return i + found;
  }
}

template <bool Least, class T>
HWY_INLINE int64_t extreme_position(const T* x, int64_t n) {
  constexpr int64_t block = 2048;  // is read twice, the second time from the first-level cache
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  T best = x[0];
  int64_t at = 0;
  if (n < lanes) {
    for (int64_t i = 1; i < n; ++i) {
      const bool wins = (Least ? x[i] < best : x[i] > best) | ((x[i] != x[i]) & (best == best));
      best = wins ? x[i] : best;
      at = wins ? i : at;
    }
    return at;
  }
  for (int64_t begin = 0; begin < n; begin += block) {
    // The last block may begin in the one before: its elements are no further than what is known.
    const int64_t first = std::min(begin, n - lanes), here = std::min(block, n - first);
    const T value = extreme_of<Least>(x + first, here);
    if (value != value) return first + first_equal(x + first, here, value);
    if (begin == 0 || (Least ? value < best : value > best)) {
      best = value;
      at = first;
    }
  }
  return at + first_equal(x + at, std::min(block, n - at), best);
}

template <class T>
HWY_INLINE void arg_rows(const T* x, int64_t rows, int64_t n, bool least, int32_t* out) {
  for (int64_t row = 0; row < rows; ++row, x += n)
    out[row] = static_cast<int32_t>(least ? extreme_position<true>(x, n) : extreme_position<false>(x, n));
}

void arg_rows_f32(const float* x, int64_t rows, int64_t n, bool least, int32_t* out) {
  arg_rows(x, rows, n, least, out);
}
void arg_rows_f64(const double* x, int64_t rows, int64_t n, bool least, int32_t* out) {
  arg_rows(x, rows, n, least, out);
}
void arg_rows_i32(const int32_t* x, int64_t rows, int64_t n, bool least, int32_t* out) {
  arg_rows(x, rows, n, least, out);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(arg_rows_f32);
FOVEA_VERSIONS(arg_rows_f64);
FOVEA_VERSIONS(arg_rows_i32);

void arg_reduce(const ArgReduceCall& call) {
  if (call.x.numel() == 0) return;
  const int64_t n = call.x.shape.back(), rows = call.x.numel() / n;
  int32_t* out = call.out.data<int32_t>();
  const auto each = [&]<class T>(T, auto rows_of) {
    const T* x = call.x.data<T>();
    parallel_for(rows, rows_per_chunk(n), [&](int64_t begin, int64_t end) {
      rows_of(x + begin * n, end - begin, n, call.minimum, out + begin);
    });
  };
  // Elements of other types one row at a time, as floats, which tell them all apart.
  const auto converted = [](const auto* x, int64_t count, int64_t n, bool least, int32_t* to) {
    const Scratch<float> row(n);
    for (int64_t r = 0; r < count; ++r, x += n) {
      for (int64_t i = 0; i < n; ++i) row[i] = static_cast<float>(x[i]);
      FOVEA_DISPATCH(arg_rows_f32)(row.data(), 1, n, least, to + r);
    }
  };
  switch (call.x.dtype) {
    case DType::f32:
      return each(float{}, FOVEA_DISPATCH(arg_rows_f32));
    case DType::f64:
      return each(double{}, FOVEA_DISPATCH(arg_rows_f64));
    case DType::i32:
      return each(int32_t{}, FOVEA_DISPATCH(arg_rows_i32));
    case DType::f16:
      return each(Half{}, converted);
    case DType::bf16:
      return each(BFloat16{}, converted);
    case DType::boolean:
      return each(bool{}, converted);
  }
}

}  // namespace fovea::cpu
#endif
