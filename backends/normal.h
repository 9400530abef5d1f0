#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace fovea {

/// Two normal numbers from two random words by Box and Muller's method, as RandomCall says: with u = ((first >> 8) + 1)
/// 2^-24 and v = (second >> 8) 2^-24, sqrt(-2 ln u) times cos(2 pi v) and sin(2 pi v), to a few units in the last
/// place. Made of f32 additions and multiplications alone, in this order, so that every device that rounds these as
/// IEEE 754 says gives the same bits. (To be compiled without contraction into fma.)
inline std::array<float, 2> normal_pair(uint32_t first, uint32_t second) {
  // ln u = e ln 2 + ln(1 + f), 1 + f in [sqrt(1/2), sqrt(2)); the polynomial is (ln(1 + f) - f + f^2 / 2) / f^3.
  const float u = static_cast<float>((first >> 8) + 1) * 0x1p-24f;
  const int32_t bits = std::bit_cast<int32_t>(u) - 0x3f3504f3;
  const auto e = static_cast<float>(bits >> 23);
  const float f = std::bit_cast<float>((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  float q = f * 0.06915336847305298f + -0.11789732426404953f;
  for (float c : {0.11872945725917816f, -0.12384358793497086f, 0.14218664169311523f, -0.16669251024723053f,
                  0.20002226531505585f, -0.24999986588954926f, 0.3333331048488617f})
    q = q * f + c;
  const float square = f * f;
  const float tail = (square * f) * q + e * 3.194618329871446e-05f;
  const float y = -2.0f * (((tail - 0.5f * square) + f) + e * 0.693115234375f);
  // 1 / sqrt(y) by Newton's method, and the root with its rounding corrected.
  // (Unsigned: y is -0 where u is 1, and what is subtracted from then wraps.)
  float r = std::bit_cast<float>(0x5f375a86 - static_cast<uint32_t>(std::bit_cast<int32_t>(y) >> 1));
  const float half_y = 0.5f * y;
  for (int i = 0; i < 3; ++i) r = r * (1.5f - (half_y * r) * r);
  const float root = y * r;
  const float radius = root + (0.5f * r) * (y - root * root);
  // The angle within a quarter turn of the nearest axis, exactly but for the last product.
  const auto k = static_cast<int32_t>(second >> 8);
  const int32_t quarter = (k + (1 << 21)) >> 22;
  const float a = static_cast<float>(k - (quarter << 22)) * 3.7450704e-07f;
  const float s = a * a;
  float odd = s * 2.717564711929299e-06f + -0.00019839256128761917f;
  odd = odd * s + 0.008333329111337662f;
  odd = odd * s + -0.1666666716337204f;
  const float sine = (odd * s) * a + a;
  float even = s * 2.4431208657915704e-05f + -0.0013887305976822972f;
  even = even * s + 0.04166664555668831f;
  const float cosine = ((even * s) * s - 0.5f * s) + 1.0f;
  float x = quarter & 1 ? -sine : cosine;
  float z = quarter & 1 ? cosine : sine;
  if (quarter & 2) {
    x = -x;
    z = -z;
  }
  return {radius * x, radius * z};
}

/// The inverse of the standard normal distribution, of p between 0 and 1: Acklam's rational approximation, refined by a
/// step of Halley's method.
double normal_quantile(double p);

}  // namespace fovea
