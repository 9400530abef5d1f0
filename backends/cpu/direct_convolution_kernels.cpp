#include "fovea/backends/cpu/direct_convolution_kernels.h"

#include <algorithm>

#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/direct_convolution_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/bf16_pair-inl.h"
#include "fovea/backends/cpu/tiles-inl.h"
#include "fovea/backends/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

using Vectors = hn::Vec<Floats>;

// A vector of each channel's results at the positions from t on, those that lie between rows left out.
template <int R, int V>
HWY_INLINE void store_positions(const Vectors (&sums)[R][V], int v, int64_t t, const PictureRows& y, int64_t channel) {
  const Floats d;
  const int64_t here = std::min(float_lanes, y.positions() - t);
  int64_t row = t / y.pitch, column = t % y.pitch;
  for (int64_t lane = 0; lane < here; lane += y.pitch - column, column = 0, ++row) {
    const int64_t end = std::min(lane + y.width - column, here);
    if (end <= lane) continue;
    const auto inside = hn::AndNot(hn::FirstN(d, static_cast<size_t>(lane)), hn::FirstN(d, static_cast<size_t>(end)));
    float* to = y.rows[row] + channel * y.channel + column - lane;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) hn::BlendedStore(sums[r][v], inside, d, to + r * y.channel);
  }
}

template <int R, int V, class Word>
HWY_NOINLINE void multiply_positions(const ShiftedProduct<Word>& p, int64_t channel, int64_t t) {
  const Floats d;
  Vectors sums[R][V];
  clear_tile(d, sums);
  StridedRows<R, Word> weight(p.weight + channel * p.weight_row, p.weight_row);
  ShiftedPanel<Word> picture(p.picture + t, p.shifts);
  add_to_tile(d, weight, picture, p.depth, sums);
  if (p.bias) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto bias = hn::Set(d, p.bias[channel + r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] = hn::Add(sums[r][v], bias);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) store_positions(sums, v, t + v * float_lanes, p.y, channel);
}

// Positions outside, channels inside: what the taps read of the picture around a few positions stays in the first-level
// cache, the weights are read in the order of memory.
template <class Word>
void multiply_all_positions(const ShiftedProduct<Word>& p) {
  each_column_tile(p.y.positions(), [&]<int V>(std::integral_constant<int, V>, int64_t t) HWY_ATTR {
    each_tile<most_rows>(p.m, [&]<int R>(std::integral_constant<int, R>, int64_t channel)
                                  HWY_ATTR { multiply_positions<R, V>(p, channel, t); });
  });
}

template <int R, int V>
HWY_NOINLINE void add_products_of(const ShiftedSums<float, float>& p, int64_t row, int64_t column) {
  const Floats d;
  float* to = p.sums + row * p.sums_row + column;
  const int64_t positions = p.rows * p.width;
  multiply_tile<R, V>(d, ShiftedRows<R, float>(p.picture, p.shifts + row, p.width, p.pitch),
                      PackedPanel<V, float>(p.panels + column * positions), positions, p.adds ? to : nullptr,
                      p.sums_row, to, p.sums_row);
}

#if FOVEA_BF16_PAIRS
template <int R, int V>
HWY_NOINLINE void add_products_of(const ShiftedSums<BFloat16, Bf16Pair>& p, int64_t row, int64_t column) {
  const Floats d;
  Vectors sums[R][V];
  clear_tile(d, sums);
  ShiftedPairs<R> picture(p.picture, p.shifts + row);
  PackedPanel<V, Bf16Pair> panel(p.panels + column * p.rows * divide_up(p.width, int64_t{2}));
  for (int64_t i = 0; i < p.rows; ++i) {
    picture.move_to(i * p.pitch);
    add_to_tile(d, picture, panel, p.width / 2, sums);
    if (p.width % 2 != 0) {
      // What follows it in the picture may be infinite, which no zero of the panel undoes.
      FirstOfPairs<ShiftedPairs<R>> last(picture);
      add_to_tile(d, last, panel, 1, sums);
    }
  }
  float* to = p.sums + row * p.sums_row + column;
  store_tile(d, sums, p.adds ? to : nullptr, p.sums_row, to, p.sums_row);
}
#endif

template <class Sums>
void add_all_products(const Sums& p) {
  each_column_tile(p.channels, [&]<int V>(std::integral_constant<int, V>, int64_t column) HWY_ATTR {
    each_tile<most_rows>(p.m, [&]<int R>(std::integral_constant<int, R>, int64_t row)
                                  HWY_ATTR { add_products_of<R, V>(p, row, column); });
  });
}

// Panels of y [channels, positions] of `words` words a row: pack_row(from, count, to, step) is called for `count` channels, a
// vector at the most, of each row, whose words lie `step` apart.
template <class Word, class Pack>
HWY_INLINE void pack_panels_of(const PictureRows& y, int64_t channels, int64_t words, Word* panels, Pack pack_row) {
  each_column_tile(channels, [&]<int V>(std::integral_constant<int, V>, int64_t first) HWY_ATTR {
    constexpr int64_t step = V * float_lanes;
    for (int64_t o = first; o < std::min(first + step, channels); o += float_lanes) {
      Word* to = panels + first * y.count * words + o - first;
      for (int64_t row = 0; row < y.count; ++row, to += words * step) {
        pack_row(y.rows[row] + o * y.channel, std::min(float_lanes, channels - o), to, step);
      }
    }
  });
}

}  // namespace

void multiply_shifted_floats(const ShiftedProduct<float>& p) { multiply_all_positions(p); }
void add_shifted_floats(const ShiftedSums<float, float>& p) { add_all_products(p); }

void pack_floats(const PictureRows& y, int64_t channels, float* panels) {
  pack_panels_of(y, channels, y.width, panels, [&](const float* from, int64_t count, float* to, int64_t step) HWY_ATTR {
    int64_t j = 0;
    while (count == float_lanes && y.width >= 4 && j < y.width) {
      const int64_t four = std::min(j, y.width - 4);
      TransposeFourColumns(Floats(), from + four, y.channel, to + four * step, step);
      j = four + 4;
    }
    for (; j < y.width; ++j) {
      for (int64_t i = 0; i < float_lanes; ++i) to[j * step + i] = i < count ? from[i * y.channel + j] : 0.0f;
    }
  });
}
#else
void multiply_shifted_floats(const ShiftedProduct<float>&) {}
void add_shifted_floats(const ShiftedSums<float, float>&) {}
void pack_floats(const PictureRows&, int64_t, float*) {}
#endif

#if FOVEA_BF16_PAIRS
void multiply_shifted_pairs(const ShiftedProduct<Bf16Pair>& p) { multiply_all_positions(p); }
void add_shifted_bf16(const ShiftedSums<BFloat16, Bf16Pair>& p) { add_all_products(p); }

void pack_pairs(const PictureRows& y, int64_t channels, Bf16Pair* panels) {
  const Floats d;
  HWY_ALIGN float columns[8 * float_lanes] = {};  // four of them, and zeros behind
  pack_panels_of(y, channels, divide_up(y.width, int64_t{2}), panels,
                 [&](const float* from, int64_t count, Bf16Pair* to, int64_t step) HWY_ATTR {
                   for (int64_t j = 0; j < y.width; j += 4) {
                     const float* column = columns;
                     if (count == float_lanes && y.width >= 4) {
                       const int64_t four = std::min(j, y.width - 4);
                       TransposeFourColumns(d, from + four, y.channel, columns, float_lanes);
                       column += (j - four) * float_lanes;
                     } else {
                       for (int64_t c = 0; c < 4; ++c) {
                         for (int64_t i = 0; i < float_lanes; ++i)
                           columns[c * float_lanes + i] =
                               i < count && j + c < y.width ? from[i * y.channel + j + c] : 0.0f;
                       }
                     }
                     for (int64_t c = j; c < std::min(j + 4, y.width); c += 2, column += 2 * float_lanes) {
                       hn::StoreU(rounded_pairs(hn::Load(d, column), hn::Load(d, column + float_lanes)), Pairs(),
                                  to + c / 2 * step);
                     }
                   }
                 });
}
#else
void multiply_shifted_pairs(const ShiftedProduct<Bf16Pair>&) {}
void add_shifted_bf16(const ShiftedSums<BFloat16, Bf16Pair>&) {}
void pack_pairs(const PictureRows&, int64_t, Bf16Pair*) {}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(multiply_shifted_floats);
FOVEA_VERSIONS(multiply_shifted_pairs);
FOVEA_VERSIONS(pack_floats);
FOVEA_VERSIONS(pack_pairs);
FOVEA_VERSIONS(add_shifted_floats);
FOVEA_VERSIONS(add_shifted_bf16);

void multiply_shifted(const ShiftedProduct<float>& product) { FOVEA_DISPATCH(multiply_shifted_floats)(product); }
void multiply_shifted(const ShiftedProduct<Bf16Pair>& product) { FOVEA_DISPATCH(multiply_shifted_pairs)(product); }
void pack_picture(const PictureRows& y, int64_t channels, float* panels) {
  FOVEA_DISPATCH(pack_floats)(y, channels, panels);
}
void pack_picture(const PictureRows& y, int64_t channels, Bf16Pair* panels) {
  FOVEA_DISPATCH(pack_pairs)(y, channels, panels);
}
void add_shifted_products(const ShiftedSums<float, float>& product) { FOVEA_DISPATCH(add_shifted_floats)(product); }
void add_shifted_products(const ShiftedSums<BFloat16, Bf16Pair>& product) { FOVEA_DISPATCH(add_shifted_bf16)(product); }

}  // namespace fovea::cpu
#endif
