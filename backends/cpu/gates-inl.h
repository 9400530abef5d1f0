// Vector functions of the gates, for inclusion per target (see Highway's foreach_target.h).
#if defined(FOVEA_CPU_GATES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_CPU_GATES_INL_H_
#undef FOVEA_CPU_GATES_INL_H_
#else
#define FOVEA_CPU_GATES_INL_H_
#endif

#include "fovea/backends/cpu/bounds-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// exp(x) - 1 = scale * tail + (scale - 1) with scale = 2^n, n = round(x / ln 2) and tail = expm1(x - n ln 2) from its
// Taylor series, for x in a range where 2^n is a normal number.
template <class V>
struct ExpParts {
  V scale, tail;
};

template <class D, class V, class... Coefficients>
HWY_INLINE V horner(D d, V x, V p, Coefficients... coefficients) {
  ((p = hn::MulAdd(p, x, hn::Set(d, static_cast<hn::TFromD<D>>(coefficients)))), ...);
  return p;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE ExpParts<V> exp_parts(D d, V x) {
  using T = hn::TFromD<D>;
  const hn::RebindToSigned<D> di;
  constexpr bool wide = sizeof(T) == 8;
  constexpr int mantissa = wide ? 52 : 23;
  // Adding 1.5 * 2^mantissa leaves n in the low bits.
  const V magic = hn::Set(d, static_cast<T>(wide ? 0x1.8p52 : 0x1.8p23));
  const V shifted = hn::MulAdd(x, hn::Set(d, static_cast<T>(1.4426950408889634074)), magic);
  const V n = hn::Sub(shifted, magic);
  // ln 2 in two parts, the first of few bits, so that n times it is exact.
  const V high = hn::Set(d, static_cast<T>(wide ? 0x1.62e42fefap-1 : 0x1.62ep-1));
  const V low = hn::Set(d, static_cast<T>(wide ? 0x1.cf79abc9e3b3ap-40 : 0x1.0bfbe8e7bcd5ep-15));
  const V r = hn::NegMulAdd(n, low, hn::NegMulAdd(n, high, x));
  V p = hn::Set(d, static_cast<T>(wide ? 1.0 / 6227020800 : 1.0 / 5040));
  if constexpr (wide)
    p = horner(d, r, p, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040);
  p = horner(d, r, p, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2);
  const auto exponent =
      hn::Add(hn::ShiftLeft<mantissa>(hn::BitCast(di, shifted)), hn::BitCast(di, hn::Set(d, static_cast<T>(1))));
  return {hn::BitCast(d, exponent), hn::MulAdd(hn::Mul(r, r), p, r)};
}

// Between -most and most; NaN stays.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V clamp(D d, V x, hn::TFromD<D> most) {
  return AtMost(d, most, AtLeast(d, -most, x));
}

/// 1 / (1 + exp(-x)); NaN for NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V sigmoid(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, static_cast<T>(1));
  constexpr T most = sizeof(T) == 8 ? 708 : 87;
  const auto [scale, tail] = exp_parts(d, clamp(d, hn::Neg(x), most));
  return hn::Div(one, hn::Add(one, hn::MulAdd(scale, tail, scale)));
}

/// (exp(2x) - 1) / (exp(2x) + 1); NaN for NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, static_cast<T>(1));
  constexpr T most = sizeof(T) == 8 ? 44 : 20;
  const auto [scale, tail] = exp_parts(d, clamp(d, hn::Add(x, x), most));
  const V less_one = hn::MulAdd(scale, tail, hn::Sub(scale, one));
  return hn::Div(less_one, hn::Add(less_one, hn::Set(d, static_cast<T>(2))));
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
