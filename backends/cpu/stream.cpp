#include "fovea/backends/cpu/stream.h"

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

}  // namespace fovea::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "fovea/backends/cpu/simd.h"

namespace fovea::cpu {

FOVEA_VERSIONS(StreamLines);

void stream_lines(const void* lines, int64_t count, void* to, int64_t stride) {
  FOVEA_DISPATCH(StreamLines)(static_cast<const uint32_t*>(lines), count, static_cast<uint32_t*>(to), stride / 4);
}

}  // namespace fovea::cpu
#endif
