#pragma once

#include "fovea/backends/cpu/matrix_tiles.h"

#ifdef FOVEA_HAS_BF16
// Numbers as tiles take them: rounded to bf16, or as the three bf16 that add up to each f32.
namespace fovea::cpu::matrix_tiles {

inline constexpr __mmask16 every_lane = 0xffff;  // without it GCC 12 warns of what these intrinsics do not read

/// Three bf16 as the upper halves of f32, the greatest first.
struct Split {
  __m512i part[3];
};

FOVEA_BF16 inline __m512i upper_half(__m512i x) { return _mm512_and_si512(x, _mm512_set1_epi32(-0x10000)); }
/// To the nearest bf16, halves away from zero.
FOVEA_BF16 inline __m512i rounded(__m512 x) {
  return upper_half(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)));
}
FOVEA_BF16 inline __m512 as_floats(__m512i x) { return _mm512_castsi512_ps(x); }
FOVEA_BF16 inline __mmask16 which_are_infinite_or_nan(__m512 x) { return _mm512_fpclass_ps_mask(x, 0x99); }

/// x as three bf16; sets `marked` where one of x is infinite, NaN or so great that parts of a product may overflow to either
/// side.
[[gnu::always_inline]] FOVEA_BF16 inline Split split(__m512 x, uint32_t& marked) {
  const __m512 great = _mm512_set1_ps(0x1p63f), size = _mm512_abs_ps(x);
  __m512i greatest = rounded(x);
  __mmask16 has_rest = every_lane;
  if (__builtin_expect(_mm512_cmp_ps_mask(size, great, _CMP_NLT_UQ), 0)) {
    marked = 1;
    const __m512 bound = as_floats(_mm512_set1_epi32(0x7f7f8000));  // from here on rounded to infinity
    const __mmask16 beyond = _mm512_cmp_ps_mask(size, bound, _CMP_NLT_UQ);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    greatest = _mm512_mask_mov_epi32(greatest, beyond, upper_half(_mm512_castps_si512(x)));
    greatest = _mm512_mask_or_epi32(greatest, nan, greatest, _mm512_set1_epi32(0x400000));
    has_rest = static_cast<__mmask16>(~which_are_infinite_or_nan(x));
  }
  const __m512 rest = _mm512_maskz_sub_ps(has_rest, x, as_floats(greatest));
  const __m512i middle = rounded(rest);
  return {greatest, middle, _mm512_castps_si512(_mm512_sub_ps(rest, as_floats(middle)))};
}

/// Both rounded to bf16, one behind the other; sets `marked` where one is infinite or NaN.
FOVEA_BF16 inline __m512i rounded_pair(__m512 first, __m512 second, uint32_t& marked) {
  const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
  const __m512i exponent = _mm512_set1_epi16(0x7f80);
  if (_mm512_cmpeq_epi16_mask(_mm512_and_si512(both, exponent), exponent)) marked = 1;
  return both;
}

/// Words of two bf16, numbers of `first` in the lower halves and those of `second` in the upper ones: a vector for each part,
/// `distance` words apart.
template <int parts>
[[gnu::always_inline]] FOVEA_BF16 inline void store_words(__m512 first, __m512 second, uint32_t* to, int64_t distance,
                                                          uint32_t& marked) {
  if constexpr (parts == 1) {
    const __m512i in_turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                             21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = rounded_pair(first, second, marked);
    _mm512_storeu_si512(to, _mm512_maskz_permutexvar_epi16(__mmask32{0xffffffff}, in_turn, both));
  } else {
    const Split low = split(first, marked), high = split(second, marked);
    for (int part = 0; part < parts; ++part) {
      // Subnormal least parts may have more bits than a bf16.
      const __m512i word =
          _mm512_or_si512(_mm512_maskz_srli_epi32(every_lane, low.part[part], 16), upper_half(high.part[part]));
      _mm512_storeu_si512(to + part * distance, word);
    }
  }
}

/// 32 bf16 one behind the other: a vector for each part, `distance` numbers apart.
template <int parts>
[[gnu::always_inline]] FOVEA_BF16 inline void store_numbers(__m512 first, __m512 second, uint16_t* to, int64_t distance,
                                                            uint32_t& marked) {
  if constexpr (parts == 1) {
    _mm512_storeu_si512(to, rounded_pair(first, second, marked));
  } else {
    const Split low = split(first, marked), high = split(second, marked);
    const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25,
                                         23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    for (int part = 0; part < parts; ++part)
      _mm512_storeu_si512(to + part * distance, _mm512_permutex2var_epi16(low.part[part], odd, high.part[part]));
  }
}

}  // namespace fovea::cpu::matrix_tiles
#endif
