#include "fovea/backends/int8_matrix.h"
#include "fovea/backends/round_up.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Written with intrinsics: Highway 1.0 has no operation for these instructions, and no target that is sure to have them.
namespace fovea {
namespace {

// The matrix lies in blocks of 16 rows, [rows / 16][columns / 4][16][4], both sizes rounded up; its numbers are stored
// 128 too great, since the instruction multiplies unsigned by signed ones.
constexpr int64_t block = 16, group = 4;
constexpr int together = 4;  // rows of x that pass over the matrix together

int64_t blocks_of(int64_t rows) { return divide_up(rows, block); }
int64_t padded(int64_t columns) { return round_up(columns, group); }

/// Some rows of x as whole numbers.
struct Rounded {
  std::vector<int8_t> values;  // [together, padded columns]
  int64_t width;
  float scales[together];
  int32_t excess[together];  // what sums are too great by
};

/// The scale of a row whose greatest absolute value this is; one next to nothing has none that can be divided by.
float scale_of(float greatest) { return greatest > 1e-36f ? greatest / 127 : 0; }

namespace plain {

float round_row(const float* x, int64_t columns, int8_t* out) {
  float greatest = 0;
  bool finite = true;
  for (int64_t k = 0; k < columns; ++k) {
    greatest = std::max(greatest, std::fabs(x[k]));
    finite = finite && std::isfinite(x[k]);
  }
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  const float scale = scale_of(greatest), factor = scale > 0 ? 1 / scale : 0;
  for (int64_t k = 0; k < columns; ++k) out[k] = static_cast<int8_t>(std::lrint(x[k] * factor));
  return scale;
}

void sums(const Rounded& x, int count, const uint8_t* w, int64_t blocks, int32_t* out) {
  for (int r = 0; r < count; ++r) {
    const int8_t* row = x.values.data() + r * x.width;
    for (int64_t n = 0; n < blocks * block; ++n) {
      int32_t sum = -x.excess[r];
      const uint8_t* of_row = w + n / block * block * x.width + n % block * group;
      for (int64_t k = 0; k < x.width; ++k) sum += of_row[k / group * block * group + k % group] * row[k];
      out[r * blocks * block + n] = sum;
    }
  }
}

}  // namespace plain

#if defined(__x86_64__)

// GCC 12 warns of the undefined registers in its own header (its bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace vnni {

#define FOVEA_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

FOVEA_VNNI float round_row(const float* x, int64_t columns, int8_t* out) {
  const auto mask_of = [columns](int64_t k) FOVEA_VNNI {
    return columns - k >= 16 ? __mmask16(0xffff) : static_cast<__mmask16>((1u << (columns - k)) - 1);
  };
  __m512 greatest = _mm512_setzero_ps(), nothing = _mm512_setzero_ps();
  for (int64_t k = 0; k < columns; k += 16) {
    const __m512 v = _mm512_maskz_loadu_ps(mask_of(k), x + k);
    greatest = _mm512_max_ps(greatest, _mm512_abs_ps(v));
    nothing = _mm512_add_ps(nothing, _mm512_mul_ps(v, _mm512_setzero_ps()));  // NaN where v is not finite
  }
  if (_mm512_reduce_add_ps(nothing) != 0) return std::numeric_limits<float>::quiet_NaN();
  const float scale = scale_of(_mm512_reduce_max_ps(greatest));
  const __m512 factor = _mm512_set1_ps(scale > 0 ? 1 / scale : 0);
  for (int64_t k = 0; k < columns; k += 16) {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask_of(k), x + k), factor));
    _mm_mask_storeu_epi8(out + k, mask_of(k), _mm512_cvtsepi32_epi8(whole));
  }
  return scale;
}

/// R rows of x by C blocks of the matrix.
template <int R, int C>
FOVEA_VNNI void tile(const Rounded& x, const uint8_t* w, int32_t* out, int64_t stride) {
  __m512i totals[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) totals[r][c] = _mm512_set1_epi32(-x.excess[r]);
  }
  for (int64_t k = 0; k < x.width; k += group) {
    __m512i columns[C];
    for (int c = 0; c < C; ++c) columns[c] = _mm512_loadu_si512(w + c * block * x.width + k * block);
    for (int r = 0; r < R; ++r) {
      int32_t four;
      std::memcpy(&four, x.values.data() + r * x.width + k, sizeof four);
      const __m512i all = _mm512_set1_epi32(four);
      for (int c = 0; c < C; ++c) totals[r][c] = _mm512_dpbusd_epi32(totals[r][c], columns[c], all);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) _mm512_storeu_si512(out + r * stride + c * block, totals[r][c]);
  }
}

/// All `together` rows; those that are not there hold anything.
FOVEA_VNNI void sums(const Rounded& x, const uint8_t* w, int64_t blocks, int32_t* out) {
  int64_t b = 0;
  for (; b + 4 <= blocks; b += 4) tile<together, 4>(x, w + b * block * x.width, out + b * block, blocks * block);
  for (; b < blocks; ++b) tile<together, 1>(x, w + b * block * x.width, out + b * block, blocks * block);
}

bool is_there() {
  static const bool there =
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return there;
}

}  // namespace vnni

#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif

float round_row(const float* x, int64_t columns, int8_t* out) {
#if defined(__x86_64__)
  if (vnni::is_there()) return vnni::round_row(x, columns, out);
#endif
  return plain::round_row(x, columns, out);
}

void sums(const Rounded& x, int count, const uint8_t* w, int64_t blocks, int32_t* out) {
#if defined(__x86_64__)
  if (vnni::is_there()) return vnni::sums(x, w, blocks, out);
#endif
  plain::sums(x, count, w, blocks, out);
}

}  // namespace

bool Int8Matrix::pays() {
#if defined(__x86_64__)
  return vnni::is_there();
#else
  return false;
#endif
}

Int8Matrix::Int8Matrix(std::span<const int8_t> values, std::span<const float> scales)
    : columns_(scales.empty() ? 0 : static_cast<int64_t>(values.size() / scales.size())),
      scales_(scales.begin(), scales.end()) {
  const int64_t width = padded(columns_);
  packed_.assign(static_cast<size_t>(blocks_of(rows()) * block * width), 128);
  for (int64_t r = 0; r < rows(); ++r) {
    for (int64_t c = 0; c < columns_; ++c) {
      const int64_t at = r / block * block * width + c / group * block * group + r % block * group + c % group;
      packed_[static_cast<size_t>(at)] = static_cast<uint8_t>(values[static_cast<size_t>(r * columns_ + c)] + 128);
    }
  }
}

void Int8Matrix::multiply(const float* x, const float* bias, float* y, int64_t count) const {
  const int64_t width = padded(columns_), blocks = blocks_of(rows());
  Rounded rounded{std::vector<int8_t>(static_cast<size_t>(together * width)), width, {}, {}};
  std::vector<int32_t> totals(static_cast<size_t>(together * blocks * block));
  for (int64_t i = 0; i < count; i += together) {
    const int now = static_cast<int>(std::min<int64_t>(together, count - i));
    for (int r = 0; r < now; ++r) {
      int8_t* row = rounded.values.data() + r * width;
      rounded.scales[r] = round_row(x + (i + r) * columns_, columns_, row);
      int32_t sum = 0;
      for (int64_t k = 0; k < width; ++k) sum += row[k];
      rounded.excess[r] = 128 * sum;
    }
    sums(rounded, now, packed_.data(), blocks, totals.data());
    for (int r = 0; r < now; ++r) {
      float* out = y + (i + r) * rows();
      const int32_t* total = totals.data() + r * blocks * block;
      for (size_t n = 0; n < scales_.size(); ++n) {
        out[n] = static_cast<float>(total[n]) * (rounded.scales[r] * scales_[n]) + (bias ? bias[n] : 0);
      }
    }
  }
}

}  // namespace fovea
