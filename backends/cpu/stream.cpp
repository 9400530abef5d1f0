#include "fovea/backends/cpu/stream.h"

#include <cstring>

#include "fovea/backends/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backends/cpu/stream.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void StreamLines(const uint32_t* lines, int64_t count, uint32_t* to, int64_t stride) {
  const hn::CappedTag<uint32_t, 16> d;
  for (int64_t k = 0; k < count; ++k) {
    for (size_t i = 0; i < 16; i += hn::Lanes(d)) hn::Stream(hn::Load(d, lines + k * 16 + i), d, to + k * stride + i);
  }
}

void CopyShifted(const uint8_t* from, uint8_t* to, int64_t bytes) {
  const hn::CappedTag<uint8_t, 64> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 4 * lanes <= bytes; i += 4 * lanes) {
    const auto a = hn::LoadU(d, from + i), b = hn::LoadU(d, from + i + lanes), c = hn::LoadU(d, from + i + 2 * lanes),
               e = hn::LoadU(d, from + i + 3 * lanes);
    hn::StoreU(a, d, to + i);
    hn::StoreU(b, d, to + i + lanes);
    hn::StoreU(c, d, to + i + 2 * lanes);
    hn::StoreU(e, d, to + i + 3 * lanes);
  }
  std::memcpy(to + i, from + i, static_cast<size_t>(bytes - i));
}

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(StreamLines);
FOVEA_VERSIONS(CopyShifted);

void stream_lines(const void* lines, int64_t count, void* to, int64_t stride) {
  FOVEA_DISPATCH(StreamLines)(static_cast<const uint32_t*>(lines), count, static_cast<uint32_t*>(to), stride / 4);
}

void copy_shifted(const void* from, void* to, int64_t bytes) {
  FOVEA_DISPATCH(CopyShifted)(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to), bytes);
}

}  // namespace fovea::cpu
#endif
