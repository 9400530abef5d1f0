#include "fovea/backends/cpu/direct_convolution_kernels.h"

#include <algorithm>

#include "fovea/backends/cpu/short_row.h"
#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/direct_convolution_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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

template <int R, int V>
HWY_NOINLINE void multiply_positions(const ShiftedProduct& p, int64_t channel, int64_t t) {
  const Floats d;
  Vectors sums[R][V];
  sum_tile(d, StridedRows<R, float>(p.weight + channel * p.weight_row, p.weight_row),
           ShiftedPanel<float>(p.picture + t, p.shifts), p.depth, sums);
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

template <int R, int V>
HWY_NOINLINE void add_products(const ShiftedSums& p, int64_t row, int64_t column) {
  const Floats d;
  float* to = p.sums + row * p.sums_row + column;
  multiply_tile<R, V>(d, ShiftedRows<R, float>(p.picture, p.shifts + row, p.width, p.pitch),
                      PackedPanel<V, float>(p.panels + column * p.positions), p.positions, p.adds ? to : nullptr,
                      p.sums_row, to, p.sums_row);
}

// The first `count` of lanes, nothing read or written behind them.
HWY_INLINE Vectors load_first(const float* from, int64_t count) {
  const Floats d;
  if (count >= float_lanes) return hn::LoadU(d, from);
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(std::max<int64_t>(count, 0))), d, from);
}
HWY_INLINE void store_first(Vectors x, int64_t count, float* to) {
  const Floats d;
  if (count >= float_lanes) return hn::StoreU(x, d, to);
  hn::BlendedStore(x, hn::FirstN(d, static_cast<size_t>(count)), d, to);
}

void copy_rows(const SpacedRows& from, float* to, int64_t pitch) {
  const float* row = from.data;
  for (int64_t r = 0; r < from.count; ++r, row += from.row, to += pitch) {
    for (int64_t j = 0; j < from.columns; j += float_lanes)
      store_first(load_first(row + j, from.columns - j), from.columns - j, to + j);
  }
}

void copy_every_other(const SpacedRows& from, float* to, int64_t pitch) {
  const float* row = from.data;
  for (int64_t r = 0; r < from.count; ++r, row += from.row, to += pitch) {
    for (int64_t j = 0; j < from.columns; j += float_lanes) {
      const int64_t left = 2 * (from.columns - j) - 1;  // the last one's neighbour may be another's
      const float* at = row + 2 * j;
      const Vectors both =
          hn::ConcatEven(Floats(), load_first(at + float_lanes, left - float_lanes), load_first(at, left));
      store_first(both, from.columns - j, to + j);
    }
  }
}

}  // namespace

void copy_spaced_rows(const SpacedRows& from, float* to, int64_t pitch) {
  if (from.step == 1) return copy_rows(from, to, pitch);
  if (from.step == 2) return copy_every_other(from, to, pitch);
  const float* row = from.data;
  for (int64_t r = 0; r < from.count; ++r, row += from.row, to += pitch) {
    copy_short_row(row, from.step, from.columns, to);
  }
}

// Positions outside, channels inside: what the taps read of the picture around a few positions stays in the first-level
// cache, the weights are read in the order of memory.
void multiply_shifted(const ShiftedProduct& p) {
  each_column_tile(p.y.positions(), [&]<int V>(std::integral_constant<int, V>, int64_t t) HWY_ATTR {
    each_tile<most_rows>(p.m, [&]<int R>(std::integral_constant<int, R>, int64_t channel)
                                  HWY_ATTR { multiply_positions<R, V>(p, channel, t); });
  });
}

void add_shifted_products(const ShiftedSums& p) {
  each_column_tile(p.channels, [&]<int V>(std::integral_constant<int, V>, int64_t column) HWY_ATTR {
    each_tile<most_rows>(
        p.m, [&]<int R>(std::integral_constant<int, R>, int64_t row) HWY_ATTR { add_products<R, V>(p, row, column); });
  });
}

void pack_picture(const PictureRows& y, int64_t channels, float* panels) {
  const Floats d;
  const int64_t positions = y.count * y.width;
  each_column_tile(channels, [&]<int V>(std::integral_constant<int, V>, int64_t first) HWY_ATTR {
    constexpr int64_t step = V * float_lanes;
    for (int64_t o = first; o < std::min(first + step, channels); o += float_lanes) {
      float* to = panels + first * positions + o - first;
      const int64_t here = std::min(float_lanes, channels - o);
      for (int64_t row = 0; row < y.count; ++row) {
        const float* from = y.rows[row] + o * y.channel;
        int64_t j = 0;
        if (here == float_lanes) {
          while (y.width >= 4 && j < y.width) {
            const int64_t four = std::min(j, y.width - 4);
            TransposeFourColumns(d, from + four, y.channel, to + four * step, step);
            j = four + 4;
          }
        }
        for (; j < y.width; ++j) {
          for (int64_t i = 0; i < float_lanes; ++i) to[j * step + i] = i < here ? from[i * y.channel + j] : 0.0f;
        }
        to += y.width * step;
      }
    }
  });
}
#else
void multiply_shifted(const ShiftedProduct&) {}
void add_shifted_products(const ShiftedSums&) {}
void pack_picture(const PictureRows&, int64_t, float*) {}
void copy_spaced_rows(const SpacedRows&, float*, int64_t) {}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(multiply_shifted);
FOVEA_VERSIONS(add_shifted_products);
FOVEA_VERSIONS(pack_picture);
FOVEA_VERSIONS(copy_spaced_rows);

void multiply_shifted(const ShiftedProduct& product) { FOVEA_DISPATCH(multiply_shifted)(product); }
void add_shifted_products(const ShiftedSums& product) { FOVEA_DISPATCH(add_shifted_products)(product); }
void pack_picture(const PictureRows& y, int64_t channels, float* panels) {
  FOVEA_DISPATCH(pack_picture)(y, channels, panels);
}
void copy_spaced_rows(const SpacedRows& from, float* to, int64_t pitch) {
  FOVEA_DISPATCH(copy_spaced_rows)(from, to, pitch);
}

}  // namespace fovea::cpu
#endif
