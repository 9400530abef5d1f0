#include "fovea/backends/cpu/spaced_rows.h"

#include <type_traits>

#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/spaced_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "fovea/backends/cpu/bf16_pair-inl.h"
#include "fovea/backends/cpu/math_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
namespace {

using Floats = hn::ScalableTag<float>;
using Vectors = hn::Vec<Floats>;
constexpr auto float_lanes = static_cast<int64_t>(hn::MaxLanes(Floats()));

// Up to a vector of `count` elements, `step` apart; Step is 1 or 2 where that is known, else 0.
template <int Step>
HWY_INLINE Vectors load_spaced(const float* from, int64_t step, int64_t count) {
  const Floats d;
  if constexpr (Step == 1) return LoadUpTo(d, from, count);
  if constexpr (Step == 2) {
    const int64_t left = 2 * count - 1;  // the last one's neighbour may be another's
    return hn::ConcatEven(d, LoadUpTo(d, from + float_lanes, left - float_lanes), LoadUpTo(d, from, left));
  }
  HWY_ALIGN float gathered[float_lanes];
  for (int64_t i = 0; i < float_lanes; ++i) gathered[i] = i < count ? from[i * step] : 0.0f;
  return hn::Load(d, gathered);
}

// Calls visit(row, column, at, count) for every vector of all rows: its first element stands at `at`, its row has `count` more.
template <class Visit>
HWY_INLINE void each_vector(const SpacedRows& from, Visit visit) {
  for (int64_t r = 0; r < from.count; ++r) {
    for (int64_t j = 0; j < from.columns; j += float_lanes) visit(r, j, r * from.row + j * from.step, from.columns - j);
  }
}

template <class Visit>
HWY_INLINE void with_step(int64_t step, Visit visit) {
  if (step == 1) return visit(std::integral_constant<int, 1>{});
  if (step == 2) return visit(std::integral_constant<int, 2>{});
  visit(std::integral_constant<int, 0>{});
}

}  // namespace

void copy_floats(const SpacedRows& from, float* to, int64_t pitch) {
  with_step(from.step, [&]<int Step>(std::integral_constant<int, Step>) HWY_ATTR {
    each_vector(from, [&](int64_t row, int64_t column, int64_t at, int64_t count) HWY_ATTR {
      StoreUpTo(Floats(), load_spaced<Step>(from.data + at, from.step, count), to + row * pitch + column, count);
    });
  });
}
#else
void copy_floats(const SpacedRows&, float*, int64_t) {}
#endif

#if FOVEA_BF16_PAIRS
void copy_bf16(const SpacedRows& from, BFloat16* to, int64_t pitch) {
  const hn::Rebind<uint16_t, Floats> halves;
  auto* bits = reinterpret_cast<uint16_t*>(to);
  with_step(from.step, [&]<int Step>(std::integral_constant<int, Step>) HWY_ATTR {
    each_vector(from, [&](int64_t row, int64_t column, int64_t at, int64_t count) HWY_ATTR {
      const auto y = rounded(load_spaced<Step>(from.data + at, from.step, count));
      StoreUpTo(halves, hn::TruncateTo(halves, y), bits + row * pitch + column, count);
    });
  });
}

void copy_pairs(const SpacedRows& from, const float* second, Bf16Pair* to, int64_t pitch) {
  with_step(from.step, [&]<int Step>(std::integral_constant<int, Step>) HWY_ATTR {
    each_vector(from, [&](int64_t row, int64_t column, int64_t at, int64_t count) HWY_ATTR {
      const Vectors x = load_spaced<Step>(from.data + at, from.step, count);
      const Vectors y = second ? load_spaced<Step>(second + at, from.step, count) : hn::Zero(Floats());
      StoreUpTo(Pairs(), rounded_pairs(x, y), to + row * pitch + column, count);
    });
  });
}
#else
void copy_bf16(const SpacedRows&, BFloat16*, int64_t) {}
void copy_pairs(const SpacedRows&, const float*, Bf16Pair*, int64_t) {}
#endif

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(copy_floats);
FOVEA_VERSIONS(copy_bf16);
FOVEA_VERSIONS(copy_pairs);

void copy_spaced_rows(const SpacedRows& from, float* to, int64_t pitch) {
  FOVEA_DISPATCH(copy_floats)(from, to, pitch);
}
void copy_spaced_rows(const SpacedRows& from, BFloat16* to, int64_t pitch) {
  FOVEA_DISPATCH(copy_bf16)(from, to, pitch);
}
void copy_spaced_rows(const SpacedRows& from, const float* second, Bf16Pair* to, int64_t pitch) {
  FOVEA_DISPATCH(copy_pairs)(from, second, to, pitch);
}

}  // namespace fovea::cpu
#endif
