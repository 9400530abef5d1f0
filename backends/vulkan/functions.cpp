#include <cstddef>
#include <limits>

#include "fovea/backends/vulkan/arithmetic.h"

// The polynomials are minimax fits made for this file; each line says what it approximates, where, and its error.
namespace fovea::vulkan::spirv {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float log2_e = 1.44269504f;
// ln 2 = high + low: a product of high and an integer below 2^11 is exact.
constexpr float ln2_high = 0.693115234375f;
constexpr float ln2_low = 3.194618329871446e-05f;

Float polynomial(Float x, std::initializer_list<float> coefficients) {
  Float sum = x.in->number(coefficients.begin()[coefficients.size() - 1]);
  for (size_t i = coefficients.size() - 1; i-- > 0;) sum = fma(sum, x, x.in->number(coefficients.begin()[i]));
  return sum;
}

// Keeps NaN.
Float clamp(Float x, float low, float high) { return select(x < low, low, select(x > high, high, x)); }

// 2^n for n in [-126, 127].
Float power_of_two(Int n) { return from_bits((n + n.in->integer(127)) << 23); }

struct Reduced {
  Int power;  // n, with x = n ln 2 + rest
  Float rest;
};
Reduced reduce_exponent(Float x) {
  const Float n = call(Extended::round_even, x * log2_e);
  return {to_int(n), fma(n, x.in->number(-ln2_low), fma(n, x.in->number(-ln2_high), x))};
}

// exp(r) - 1 for |r| <= ln 2 / 2: r + r^2 q(r), relative error 3e-8.
Float expm1_near_zero(Float r) {
  const Float q = polynomial(r, {0.49999991059303284f, 0.1666671335697174f, 0.04167664796113968f, 0.008353766985237598f,
                                 0.001315868808887899f});
  return fma(r * r, q, r);
}

struct Decomposed {
  Float exponent;
  Float fraction;  // x = 2^exponent (1 + fraction), 1 + fraction in [sqrt(1/2), sqrt(2))
};
Decomposed decompose(Float x) {
  Arithmetic& in = *x.in;
  const Bool tiny = x < 1.17549435e-38f;
  const Int bits = bits_of(select(tiny, x * 0x1p23f, x)) - in.integer(0x3f3504f3);  // sqrt(1/2)
  const Float exponent = to_float(bits >> 23) - select(tiny, 23.0f, 0.0f);
  const Float mantissa = from_bits((bits & in.integer(0x007fffff)) + in.integer(0x3f3504f3));
  return {exponent, mantissa - 1.0f};
}

// (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)), error 7e-10 of f.
Float log_tail(Float f) {
  return polynomial(
      f, {0.3333331048488617f, -0.24999986588954926f, 0.20002226531505585f, -0.16669251024723053f, 0.14218664169311523f,
          -0.12384358793497086f, 0.11872945725917816f, -0.11789732426404953f, 0.06915336847305298f});
}

// e ln 2 + log(1 + f) + small
Float assemble_log(Float e, Float f, Float small) {
  const Float square = f * f;
  Float tail = fma(square * f, log_tail(f), small);
  tail = fma(e, e.in->number(ln2_low), tail);
  tail = fma(square, e.in->number(-0.5f), tail);
  return fma(e, e.in->number(ln2_high), f + tail);
}

Float log_special(Float x, Float result) {
  result = select(x == 0.0f, -infinity, result);
  result = select(x < 0.0f, nan, result);
  return select(is_nan(x) || x == infinity, x, result);
}

struct Quadrant {
  Int which;
  Float rest;  // within pi / 4 of 0
};
Quadrant reduce_angle(Float x) {
  const Float n = call(Extended::round_even, x * 0.636619772f);
  // pi / 2 in four parts; the products with the first three are exact for n below 2^14.
  Float rest = fma(n, x.in->number(-1.5703125f), x);
  rest = fma(n, x.in->number(-0.00048351287841796875f), rest);
  rest = fma(n, x.in->number(-3.1385570764541626e-07f), rest);
  rest = fma(n, x.in->number(-6.07710062827671e-11f), rest);
  return {to_int(n), rest};
}

Float sine_of(Quadrant angle, int ahead) {
  Arithmetic& in = *angle.rest.in;
  const Float r = angle.rest;
  const Float square = r * r;
  // sin r = r + r^3 s(r^2), cos r = 1 - r^2 / 2 + r^4 c(r^2): errors 5e-12 and 1e-10
  const Float sine = fma(square * r,
                         polynomial(square, {-0.1666666716337204f, 0.008333329111337662f, -0.00019839256128761917f,
                                             2.717564711929299e-06f}),
                         r);
  const Float cosine =
      fma(square * square, polynomial(square, {0.04166664555668831f, -0.0013887305976822972f, 2.4431208657915704e-05f}),
          fma(square, in.number(-0.5f), in.number(1.0f)));
  const Int quadrant = angle.which + in.integer(ahead);
  const Float value = select((quadrant & in.integer(1)) == in.integer(0), sine, cosine);
  return select((quadrant & in.integer(2)) == in.integer(0), value, -value);
}

// a b = product + error, exactly, by halves of 12 bits; for a and b of moderate size.
struct Exact {
  Float value;
  Float error;
};
Exact times(Float a, Float b) {
  const auto high = [](Float x) { return from_bits(bits_of(x) & x.in->integer(static_cast<int32_t>(0xfffff000))); };
  const Float product = a * b;
  const Float a1 = high(a), a2 = a - a1, b1 = high(b), b2 = b - b1;
  return {product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
}
Exact plus(Float a, Float b) {
  const Float sum = a + b;
  const Float of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

}  // namespace

Float exp(Float x) {
  const Reduced reduced = reduce_exponent(clamp(x, -104.0f, 89.0f));
  const Int half = reduced.power >> 1;
  return (expm1_near_zero(reduced.rest) + 1.0f) * power_of_two(half) * power_of_two(reduced.power - half);
}

Float expm1(Float x) {
  const Reduced reduced = reduce_exponent(clamp(x, -20.0f, 89.0f));
  // 2^n q + (2^n - 1) at half its size, for 2^128 is no number
  const Float half_scale = power_of_two(reduced.power - x.in->integer(1));
  const Float value = fma(expm1_near_zero(reduced.rest), half_scale, half_scale - 0.5f) * 2.0f;
  return select(x == 0.0f, x, value);
}

Float log(Float x) {
  const Decomposed parts = decompose(x);
  return log_special(x, assemble_log(parts.exponent, parts.fraction, x.in->number(0.0f)));
}

Float log1p(Float x) {
  const Float sum = 1.0f + x;
  const Decomposed parts = decompose(sum);
  // What the sum has lost of x, or x itself where the sum is near 1.
  const Bool near = parts.exponent == 0.0f;
  const Float lost = select(near || x > 1e8f, 0.0f, (x - (sum - 1.0f)) / sum);
  const Float result = assemble_log(parts.exponent, select(near, x, parts.fraction), lost);
  return select(x == 0.0f, x, log_special(sum, result));
}

Float sin(Float x) { return select(x == 0.0f, x, sine_of(reduce_angle(x), 0)); }
Float cos(Float x) { return sine_of(reduce_angle(x), 1); }

Float tanh(Float x) {
  const Float t = expm1(2.0f * clamp(abs(x), 0.0f, 10.0f));
  return with_sign(t / (t + 2.0f), x);
}

Float sigmoid(Float x) {
  const Float e = exp(-abs(x));
  return select(x < 0.0f, e, x.in->number(1.0f)) / (1.0f + e);
}

Float softplus(Float x) { return maximum(x, x.in->number(0.0f)) + log1p(exp(-abs(x))); }

Float erf(Float x) {
  const Float magnitude = abs(x);
  // erf(x) / x in x^2 for |x| <= 1, error 1e-9; -log(erfc(x)) to |x| = 4, beyond which erf rounds to 1
  const Float small =
      x * polynomial(x * x, {1.1283791065216064f, -0.3761262595653534f, 0.11283600330352783f, -0.026854444295167923f,
                             0.005189534742385149f, -0.0008020836976356804f, 7.889106927905232e-05f});
  const Float exponent =
      polynomial(clamp(magnitude, 0.0f, 4.0f),
                 {-0.00018803452257998288f, 1.1295783519744873f, 0.6332199573516846f, 0.1084185317158699f,
                  -0.025208227336406708f, 0.004204551689326763f, -0.00044133441406302154f, 2.1686691979994066e-05f});
  return select(magnitude <= 1.0f, small, with_sign(1.0f - exp(-exponent), x));
}

Float pow(Float x, Float y) {
  Arithmetic& in = *x.in;
  const Float magnitude = abs(x);
  // log |x| as a sum of two numbers, for its error is multiplied by y.
  const Decomposed parts = decompose(magnitude);
  const Float f = parts.fraction, e = parts.exponent;
  const Exact square = times(f, f);
  const Exact near = plus(f, square.value * -0.5f);
  const Exact whole = plus(e * ln2_high, near.value);
  const Float low =
      fma(square.value * f, log_tail(f), fma(e, in.number(ln2_low), whole.error + (near.error + square.error * -0.5f)));
  const Exact logarithm = plus(whole.value, low);
  const Exact exponent = times(y, logarithm.value);
  const Float rest = select(abs(exponent.value) < 200.0f, exponent.error + y * logarithm.error, in.number(0.0f));
  Float value = exp(exponent.value);
  value = select(value < infinity, fma(value, rest, value), value);

  // C's special cases.
  const Float floor = call(Extended::floor, y);
  const Bool whole_y = floor == y;
  const Float half = y * 0.5f;
  const Bool odd = whole_y && call(Extended::floor, half) != half && abs(y) < 16777216.0f;
  const Bool edge = magnitude == 0.0f || magnitude == infinity;
  value = select(edge, select((magnitude == 0.0f && y > 0.0f) || (magnitude == infinity && y < 0.0f), 0.0f, infinity),
                 value);
  const Bool huge = abs(y) == infinity;
  const Bool grows = (magnitude > 1.0f && y > 0.0f) || (magnitude < 1.0f && y < 0.0f);
  value = select(huge, select(magnitude == 1.0f, 1.0f, select(grows, infinity, in.number(0.0f))), value);
  const Bool negative = bits_of(x) < in.integer(0);
  value = select(negative && odd, -value, value);
  value = select(x < 0.0f && !whole_y && !edge, nan, value);
  value = select(is_nan(x) || is_nan(y), nan, value);
  return select(y == 0.0f || x == 1.0f, 1.0f, value);
}

Float atan2(Float y, Float x) {
  Arithmetic& in = *x.in;
  const Float along = abs(x), across = abs(y);
  const Bool steep = along < across;
  const Float greater = select(steep, across, along);
  // Their sum is to be a number that a device divides by.
  const Float scale = select(greater > 1e37f, 0.0625f, 1.0f);
  const Float most = greater * scale, least = select(steep, along, across) * scale;
  // From a half on, the angle beyond pi / 4.
  const Bool wide = most * 0.5f <= least && most > 0.0f;
  const Float ratio = select(wide, least - most, least) / select(wide, least + most, most);
  const Float r = select(least == most, 0.0f, ratio);  // infinities and zeros, too
  const Float square = r * r;
  // atan r = r + r^3 a(r^2) for |r| <= 1/2, relative error 5e-9
  Float angle = fma(square * r,
                    polynomial(square, {-0.333332359790802f, 0.1999431997537613f, -0.14176137745380402f,
                                        0.1016538217663765f, -0.05141407251358032f}),
                    r);
  Float eighths = select(wide, 1.0f, 0.0f);
  const auto turn = [&](Bool condition, float from) {
    eighths = select(condition, from - eighths, eighths);
    angle = select(condition, -angle, angle);
  };
  turn(steep, 2.0f);
  turn(bits_of(x) < in.integer(0), 4.0f);
  // pi / 4 in two parts; the products with the first are exact.
  const Float value = fma(eighths, in.number(0.785398006439209f), fma(eighths, in.number(1.5695823e-7f), angle));
  return select(is_nan(x) || is_nan(y), nan, with_sign(value, y));
}

}  // namespace fovea::vulkan::spirv
