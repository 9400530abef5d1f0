// f32 functions on whole vectors, compiled once for every SIMD target. A lane's result depends on that lane alone:
// not on its neighbours, on its place or on the vector's width beyond what fused multiply-add changes. Errors are
// bounds over all floats against the exact value, for targets with fused multiply-add (math_test.cpp measures them).
//
// Polynomials are minimax fits of the functions named beside them, with their coefficients rounded to f32.
#if defined(FOVEA_BACKENDS_CPU_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FOVEA_BACKENDS_CPU_MATH_INL_H_
#undef FOVEA_BACKENDS_CPU_MATH_INL_H_
#else
#define FOVEA_BACKENDS_CPU_MATH_INL_H_
#endif

#include <cmath>
#include <cstdint>

#include "fovea/backends/cpu/bounds-inl.h"
#include "fovea/backends/cpu/erf_tables.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// c[0] + c[1] x + c[2] x^2 + ...
template <class D, class V, class... Rest>
HWY_INLINE V Polynomial(D d, V x, hn::TFromD<D> first, Rest... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return hn::Set(d, first);
  } else {
    return hn::MulAdd(Polynomial(d, x, rest...), x, hn::Set(d, first));
  }
}

/// Calls `function` for the lanes of x (and y) that `lanes` selects, keeping the others of `result`.
template <class D, class V, class M, class F>
HWY_NOINLINE V PatchLanes(D d, M lanes, V x, V y, V result, F function) {
  HWY_ALIGN hn::TFromD<D> in[hn::MaxLanes(D())];
  HWY_ALIGN hn::TFromD<D> in2[hn::MaxLanes(D())];
  HWY_ALIGN hn::TFromD<D> out[hn::MaxLanes(D())];
  hn::Store(x, d, in);
  hn::Store(y, d, in2);
  for (size_t i = 0; i < hn::Lanes(d); ++i) out[i] = function(in[i], in2[i]);
  return hn::IfThenElse(lanes, hn::Load(d, out), result);
}

/// x = n ln 2 + r. The last places of `shifted` count n.
template <class V>
struct ExpArgument {
  V shifted;
  V r;
};

/// Added to a float below 2^22 in magnitude, rounds it to an integer: 1.5 * 2^23, whose last place is 1.
inline constexpr float integer_shift = 12582912.0f;

/// n is the integer nearest to x / ln 2 + bias.
template <class D, class V>
HWY_INLINE ExpArgument<V> ReduceExp(D d, V x, float bias = 0.0f) {
  const V shifter = hn::Set(d, integer_shift), log2e = hn::Set(d, 1.442695041f);
  const V shifted =
      bias == 0.0f ? hn::MulAdd(x, log2e, shifter) : hn::Add(hn::MulAdd(x, log2e, hn::Set(d, bias)), shifter);
  const V n = hn::Sub(shifted, shifter);
  // ln 2 in two parts, the first of 10 bits, so that n times it is exact.
  const V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  return {shifted, hn::NegMulAdd(n, hn::Set(d, -0.00021219444f), r)};
}

/// e^r for |r| <= ln 2 / 2.
template <class D, class V>
HWY_INLINE V ExpPolynomial(D d, V r) {
  return Polynomial(d, r, 1.0f, 1.0f, 0.49999994f, 0.16666517f, 0.04166828f, 0.008369248f, 0.0013820744f);
}

/// 2^n for n in [-126, 127].
template <class D, class VI>
HWY_INLINE hn::Vec<D> PowerOfTwo(D d, VI n) {
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
}

/// exp where the result may overflow or be subnormal: the power of two goes in two steps.
template <class D, class V>
HWY_NOINLINE V ExpFullRange(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto [shifted, r] = ReduceExp(d, AtLeast(d, -104.0f, AtMost(d, 89.0f, x)));
  const auto n = hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x4b400000));
  const auto half = hn::ShiftRight<1>(n);
  // Zero from the start where it ends as zero: a product that vanishes takes a processor a hundred cycles.
  const V y = hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -104.0f)), ExpPolynomial(d, r));
  return hn::Mul(hn::Mul(y, PowerOfTwo(d, half)), PowerOfTwo(d, hn::Sub(n, half)));
}

/// e^x, 1 ulp.
template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto [shifted, r] = ReduceExp(d, x);
  // Inside this range the scaled result is normal, so adding to its exponent bits multiplies by 2^n.
  const V y = ExpPolynomial(d, r);
  const V scaled = hn::BitCast(d, hn::Add(hn::BitCast(di, y), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  const auto plain = hn::Le(hn::Abs(x), hn::Set(d, 87.0f));
  if (HWY_LIKELY(hn::AllTrue(d, plain))) return scaled;
  // Masked scores are -inf.
  if (hn::AllTrue(d, hn::Or(plain, hn::Lt(x, hn::Set(d, -104.0f))))) return hn::IfThenElseZero(plain, scaled);
  return ExpFullRange(d, x);
}

/// e^x - 1, 2 ulp.
template <class D, class V>
HWY_INLINE V Expm1(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto [shifted, r] = ReduceExp(d, AtLeast(d, -20.0f, AtMost(d, 89.0f, x)));
  V p = Polynomial(d, r, 0.5f, 0.16666667f, 0.04166648f, 0.008333208f, 0.0013933565f, 0.00019944255f);
  p = hn::MulAdd(p, hn::Mul(r, r), r);
  // 2 (2^(n-1) p + 2^(n-1) - 1/2): half the scale, since 2^128 is no float.
  const auto n = hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x4b400001));
  const V scale = PowerOfTwo(d, n);
  const V y = hn::MulAdd(p, scale, hn::Sub(scale, hn::Set(d, 0.5f)));
  const V tiny = hn::Set(d, 1e-8f);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), tiny), x, hn::Add(y, y));
}

/// The hyperbolic tangent, 2 ulp. With e = exp(-2 |x|): 1 - 2 e / (1 + e) above 0.55, below it h + h (2 h / (1 + e))
/// for h = (1 - e) / 2.
template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0f);
  const V a = AtMost(d, 40.0f, hn::Abs(x));
  // The bias keeps n = 0 as long as 1 - e is small, so that nothing cancels.
  const auto [shifted, r] = ReduceExp(d, hn::Mul(a, hn::Set(d, -2.0f)), 0.35f);
  V p = Polynomial(d, r, 0.50000024f, 0.16666724f, 0.041647095f, 0.008210448f, 0.0011287759f);
  p = hn::MulAdd(p, hn::Mul(r, r), r);
  const V scale = PowerOfTwo(d, hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x4b400000)));
  const V expm1 = hn::MulAdd(p, scale, hn::Sub(scale, one));
  const V exp = hn::MulAdd(p, scale, scale);
  const auto large = hn::Gt(a, hn::Set(d, 0.55f));
  const V q = hn::Div(hn::IfThenElse(large, hn::Add(exp, exp), expm1), hn::Add(expm1, hn::Set(d, 2.0f)));
  const V base = hn::IfThenElse(large, one, hn::Mul(expm1, hn::Set(d, -0.5f)));
  return hn::CopySign(hn::NegMulAdd(base, q, base), x);
}

/// 1 / (1 + e^-x), 2 ulp: with e = exp(-|x|), 1 - e / (1 + e) for positive and e - e (e / (1 + e)) for negative x.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V e = Exp(d, hn::Neg(hn::Abs(x)));
  const V base = hn::IfNegativeThenElse(x, e, one);
  return hn::NegMulAdd(base, hn::Div(e, hn::Add(one, e)), base);
}

/// The integer e for which x / 2^e lies in [2/3, 4/3), x positive and normal.
template <class D, class V>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> LogExponent(D d, V x) {
  const hn::RebindToSigned<D> di;
  (void)d;
  return hn::ShiftRight<23>(hn::Sub(hn::BitCast(di, x), hn::Set(di, 0x3f2aaaab)));
}

/// e ln 2 + log(1 + f) for f in [-1/3, 1/3).
template <class D, class V>
HWY_INLINE V LogPolynomial(D d, V e, V f) {
  const V p = Polynomial(d, f, 0.33333215f, -0.24999806f, 0.20010427f, -0.16680196f, 0.14005734f, -0.12187478f,
                         0.13984594f, -0.12880054f);
  const V square = hn::Mul(f, f);
  const V tail = hn::MulAdd(square, hn::MulAdd(f, p, hn::Set(d, -0.5f)), hn::Mul(e, hn::Set(d, -0.00021219444f)));
  return hn::MulAdd(e, hn::Set(d, 0.693359375f), hn::Add(f, tail));
}

template <class D, class V>
HWY_INLINE V LogNormal(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto e = LogExponent(d, x);
  const V m = hn::BitCast(d, hn::Sub(hn::BitCast(di, x), hn::ShiftLeft<23>(e)));
  return LogPolynomial(d, hn::ConvertTo(d, e), hn::Sub(m, hn::Set(d, 1.0f)));
}

/// log for any argument: subnormal, zero, negative, infinite, NaN.
template <class D, class V>
HWY_NOINLINE V LogFullRange(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto subnormal = hn::Lt(x, hn::Set(d, 0x1p-126f));
  const V scaled = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, 0x1p23f)), x);
  const auto e = LogExponent(d, scaled);
  const V m = hn::BitCast(d, hn::Sub(hn::BitCast(di, scaled), hn::ShiftLeft<23>(e)));
  const V n = hn::Sub(hn::ConvertTo(d, e), hn::IfThenElseZero(subnormal, hn::Set(d, 23.0f)));
  V y = LogPolynomial(d, n, hn::Sub(m, hn::Set(d, 1.0f)));
  const V zero = hn::Zero(d), infinity = hn::Set(d, INFINITY);
  y = hn::IfThenElse(hn::Lt(x, infinity), y, x);  // infinity and NaN
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Lt(x, zero), hn::Set(d, NAN), y);
}

/// The natural logarithm, 1 ulp.
template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  const auto normal = hn::And(hn::Ge(x, hn::Set(d, 0x1p-126f)), hn::Lt(x, hn::Set(d, INFINITY)));
  if (HWY_LIKELY(hn::AllTrue(d, normal))) return LogNormal(d, x);
  return LogFullRange(d, x);
}

/// log(1 + x), 2 ulp.
template <class D, class V>
HWY_INLINE V Log1p(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  // 2^-e scales x and 1 apart, so that nothing of x is lost in 1 + x.
  const hn::RebindToSigned<D> di;
  const auto e = LogExponent(d, hn::Add(x, one));
  const V scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::Sub(hn::Set(di, 127), e)));
  const V f = hn::MulAdd(x, scale, hn::Sub(scale, one));
  const V y = hn::CopySign(LogPolynomial(d, hn::ConvertTo(d, e), f), x);
  const auto plain = hn::And(hn::Gt(x, hn::Set(d, -1.0f)), hn::Lt(x, hn::Set(d, 0x1p60f)));
  if (HWY_LIKELY(hn::AllTrue(d, plain))) return y;
  return hn::IfThenElse(plain, y, LogFullRange(d, hn::IfThenElse(hn::Gt(x, one), x, hn::Add(x, one))));
}

/// log(1 + e^x) without overflow, 2 ulp.
template <class D, class V>
HWY_INLINE V Softplus(D d, V x) {
  const V positive = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);  // NaN stays
  return hn::Add(positive, Log1p(d, Exp(d, hn::Neg(hn::Abs(x)))));
}

/// The error function, 2 ulp: x + x Q(x^2) up to 1.2, beyond it 1 - P(|x|)^8 with P the eighth root of erfc.
template <class D, class V>
HWY_INLINE V ErfByPowers(D d, V x) {
  const V square = hn::Mul(x, x);
  const V q = Polynomial(d, square, 0.12837915f, -0.37612537f, 0.112826794f, -0.026820019f, 0.005131084f,
                         -0.0007561051f, 6.524771e-05f);
  const V near = hn::MulAdd(x, q, x);
  const V a = AtMost(d, 3.93f, hn::Abs(x));
  V p = Polynomial(d, a, 1.0013511f, -0.1469264f, -0.058665685f, -0.0135127045f, 0.013840622f, -0.0026742625f,
                   0.00016851762f);
  p = hn::Mul(p, p);
  p = hn::Mul(p, p);
  const V far = hn::CopySign(hn::NegMulAdd(p, p, hn::Set(d, 1.0f)), x);
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 1.2f)), near, far);
}

#if HWY_TARGET == HWY_AVX3
/// The error function, 2 ulp, by tables that registers hold.
template <class D, class V>
HWY_INLINE V ErfByTables(D d, V x) {
  const V a = AtMost(d, 3.93f, hn::Abs(x));  // from there on it is 1
  // Rounds a to eighths, whose number then is what the last places count.
  const __m512i eighth = _mm512_castps_si512(hn::Add(a, hn::Set(d, 0x1.8p20f)).raw);
  const auto look_up = [&](const float* table) HWY_ATTR {
    return V{_mm512_permutex2var_ps(hn::Load(d, table).raw, eighth, hn::Load(d, table + 16).raw)};
  };
  const V t = hn::Sub(a, look_up(erf_tables.center));
  V y = look_up(erf_tables.by_power[4]);
  for (int i = 3; i >= 0; --i) y = hn::MulAdd(y, t, look_up(erf_tables.by_power[i]));
  return hn::CopySign(AtMost(d, 1.0f, hn::Mul(a, y)), x);
}
#endif

template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (hn::MaxLanes(D()) == 16) return ErfByTables(d, x);
#endif
  return ErfByPowers(d, x);
}

/// sin(x + quarter pi / 2), 2 ulp. Arguments beyond 12000 go to the C library, lane by lane.
template <class D, class V>
HWY_INLINE V SinQuarters(D d, V x, int32_t quarter) {
  const hn::RebindToSigned<D> di;
  const V shifter = hn::Set(d, integer_shift);
  const V shifted = hn::MulAdd(x, hn::Set(d, 0.63661975f), shifter);
  const V n = hn::Sub(shifted, shifter);
  // pi / 2 in parts of 10 bits: for |n| < 2^13 all products but the last are exact.
  const V exact = hn::NegMulAdd(n, hn::Set(d, 0.00048351288f), hn::NegMulAdd(n, hn::Set(d, 1.5703125f), x));
  const V high = hn::NegMulAdd(n, hn::Set(d, 3.138557e-07f), exact);
  const V low = hn::NegMulAdd(n, hn::Set(d, 3.138557e-07f), hn::Sub(exact, high));
  const V r = hn::Add(high, hn::NegMulAdd(n, hn::Set(d, 6.0771006e-11f), low));
  const V square = hn::Mul(r, r);
  const V sine = hn::MulAdd(hn::Mul(r, square), Polynomial(d, square, -0.16666655f, 0.00833219f, -0.00019518407f), r);
  const V cosine = Polynomial(d, square, 1.0f, -0.5f, 0.041666646f, -0.001388731f, 2.4432327e-05f);
  const auto turns = hn::Add(hn::BitCast(di, shifted), hn::Set(di, quarter));
  const auto one = hn::Set(di, 1);
  const V y = hn::IfThenElse(hn::RebindMask(d, hn::Eq(hn::And(turns, one), one)), cosine, sine);
  const auto sign = hn::ShiftLeft<30>(hn::AndNot(one, turns));  // bit 1 to the sign
  return hn::Xor(y, hn::BitCast(d, hn::And(sign, hn::Set(di, INT32_MIN))));
}

template <class D, class V>
HWY_INLINE V Sin(D d, V x) {
  const auto small = hn::Le(hn::Abs(x), hn::Set(d, 12000.0f));
  const V y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, SinQuarters(d, x, 0));  // keeps the sign of zero
  if (HWY_LIKELY(hn::AllTrue(d, small))) return y;
  return PatchLanes(d, hn::Not(small), x, x, y, [](float a, float) { return std::sin(a); });
}

template <class D, class V>
HWY_INLINE V Cos(D d, V x) {
  const auto small = hn::Le(hn::Abs(x), hn::Set(d, 12000.0f));
  const V y = SinQuarters(d, x, 1);
  if (HWY_LIKELY(hn::AllTrue(d, small))) return y;
  return PatchLanes(d, hn::Not(small), x, x, y, [](float a, float) { return std::cos(a); });
}

/// 2^(y log2 m 2^e) in f64, for half the lanes of a float vector.
template <class DD, class VD>
HWY_INLINE VD PowHalf(DD d, VD m, VD e, VD y) {
  const VD one = hn::Set(d, 1.0);
  const VD s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const VD p = Polynomial(d, hn::Mul(s, s), 2.8853900817774245, 0.9617966948245575, 0.5770777559270616,
                          0.412226139021712, 0.31928633584175325, 0.2908151498907159);
  const VD t = AtLeast(d, -200.0, AtMost(d, 200.0, hn::Mul(y, hn::MulAdd(s, p, e))));
  const VD shifter = hn::Set(d, 6755399441055744.0);  // 1.5 * 2^52
  const VD shifted = hn::Add(t, shifter);
  const VD z = Polynomial(d, hn::Sub(t, hn::Sub(shifted, shifter)), 1.0, 0.6931472057372665, 0.24022646890630558,
                          0.055503287769673185, 0.00961848895749679, 0.0013399931218502981, 0.00015345811900222502);
  const hn::RebindToSigned<DD> di;
  return hn::BitCast(d, hn::Add(hn::BitCast(di, z), hn::ShiftLeft<52>(hn::BitCast(di, shifted))));
}

/// x^y, 1 ulp. Zeros, infinities, subnormals and NaN go to the C library, lane by lane.
template <class D, class V>
HWY_INLINE V Pow(D d, V x, V y) {
  const hn::RebindToSigned<D> di;
  const V magnitude = hn::Abs(x);
  const V infinity = hn::Set(d, INFINITY);
  const auto plain = hn::And(hn::And(hn::Ge(magnitude, hn::Set(d, 0x1p-126f)), hn::Lt(magnitude, infinity)),
                             hn::Lt(hn::Abs(y), infinity));
  const auto exponent = LogExponent(d, magnitude);
  const V m = hn::BitCast(d, hn::Sub(hn::BitCast(di, magnitude), hn::ShiftLeft<23>(exponent)));
  const V e = hn::ConvertTo(d, exponent);
#if HWY_TARGET == HWY_SCALAR
  const hn::Rebind<double, D> dd;
  V z = hn::DemoteTo(d, PowHalf(dd, hn::PromoteTo(dd, m), hn::PromoteTo(dd, e), hn::PromoteTo(dd, y)));
#else
  const hn::Half<D> dh;
  const hn::Rebind<double, decltype(dh)> dd;
  const auto low = PowHalf(dd, hn::PromoteTo(dd, hn::LowerHalf(dh, m)), hn::PromoteTo(dd, hn::LowerHalf(dh, e)),
                           hn::PromoteTo(dd, hn::LowerHalf(dh, y)));
  const auto high = PowHalf(dd, hn::PromoteTo(dd, hn::UpperHalf(dh, m)), hn::PromoteTo(dd, hn::UpperHalf(dh, e)),
                            hn::PromoteTo(dd, hn::UpperHalf(dh, y)));
  V z = hn::Combine(d, hn::DemoteTo(dh, high), hn::DemoteTo(dh, low));
#endif

  // A negative base: NaN unless y is an integer, the sign of x where it is odd.
  const V half = hn::Mul(y, hn::Set(d, 0.5f));
  const auto integer = hn::Eq(hn::Round(y), y);
  const auto even = hn::Eq(hn::Round(half), half);
  const V negative = hn::IfThenElse(integer, hn::IfThenElse(even, z, hn::Neg(z)), hn::Set(d, NAN));
  z = hn::IfNegativeThenElse(x, negative, z);
  if (HWY_LIKELY(hn::AllTrue(d, plain))) return z;
  return PatchLanes(d, hn::Not(plain), x, y, z, [](float a, float b) { return std::pow(a, b); });
}

/// The angle of (x, y) from the first axis, 2 ulp; zeros, infinities and NaN as in C. The lesser of |x| and |y| by the
/// greater is the tangent of an angle, which is taken from 0 or from pi / 4.
template <class D, class V>
HWY_INLINE V Atan2(D d, V y, V x) {
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const V along = hn::Abs(x), across = hn::Abs(y);
  const auto steep = hn::Lt(along, across);
  const V greater = hn::IfThenElse(steep, across, along);
  // So that their sum does not overflow.
  const V scale = hn::IfThenElse(hn::Gt(greater, hn::Set(d, 1e37f)), hn::Set(d, 0.0625f), one);
  const V most = hn::Mul(greater, scale), least = hn::Mul(hn::IfThenElse(steep, along, across), scale);
  // From a half on, where the difference is exact.
  const auto wide = hn::And(hn::Ge(least, hn::Mul(most, hn::Set(d, 0.5f))), hn::Gt(most, zero));
  const V ratio =
      hn::Div(hn::IfThenElse(wide, hn::Sub(least, most), least), hn::IfThenElse(wide, hn::Add(least, most), most));
  const V r = hn::IfThenElse(hn::Eq(least, most), zero, ratio);  // infinities and zeros, too
  const V square = hn::Mul(r, r);
  const V p = Polynomial(d, square, -0.33333236f, 0.1999432f, -0.14176138f, 0.10165382f, -0.051414073f);
  V angle = hn::MulAdd(hn::Mul(square, r), p, r);
  V eighths = hn::IfThenElseZero(wide, one);  // of a turn
  eighths = hn::IfThenElse(steep, hn::Sub(hn::Set(d, 2.0f), eighths), eighths);
  angle = hn::IfThenElse(steep, hn::Neg(angle), angle);
  // Not IfNegativeThenElse, to which -0 is not negative on every target.
  const hn::RebindToSigned<D> words;
  const auto back = hn::MaskFromVec(hn::BitCast(d, hn::BroadcastSignBit(hn::BitCast(words, x))));
  eighths = hn::IfThenElse(back, hn::Sub(hn::Set(d, 4.0f), eighths), eighths);
  angle = hn::IfThenElse(back, hn::Neg(angle), angle);
  // pi / 4 in two parts, the first of 22 bits, so that its multiples are exact.
  angle = hn::MulAdd(eighths, hn::Set(d, 1.5695823e-7f), angle);
  return hn::CopySign(hn::MulAdd(eighths, hn::Set(d, 0.785398f), angle), y);
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
