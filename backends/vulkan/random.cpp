#include <algorithm>

#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {

void random(Engine& engine, const RandomCall& call) {
  const uint32_t type = type_constant("random", call.out);
  // In parts that a kernel can count, each a whole number of blocks of four elements.
  constexpr int64_t most = int64_t{1} << 30;
  const int64_t count = call.out.numel();
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t part = std::min(most, count - begin);
    const uint64_t offset = call.offset + static_cast<uint64_t>(begin / 4);
    struct {
      uint64_t out;
      uint32_t offset_low, offset_high, seed_low, seed_high, count, kind;
    } push{address_of(call.out) + static_cast<uint64_t>(begin) * size_of(call.out.dtype),
           static_cast<uint32_t>(offset),
           static_cast<uint32_t>(offset >> 32),
           static_cast<uint32_t>(call.seed),
           static_cast<uint32_t>(call.seed >> 32),
           static_cast<uint32_t>(part),
           static_cast<uint32_t>(call.kind)};
    const uint64_t blocks = static_cast<uint64_t>(part + 3) / 4;
    engine.launch({.code = shaders::random,
                   .constants = {engine.map_threads(), type},
                   .name = "random",
                   .shape = call.out.shape,
                   .reads = {},
                   .writes = {&call.out},
                   .groups = engine.groups_for(blocks),
                   .work = 64.0 * static_cast<double>(part)},
                  push);
  }
}

}  // namespace fovea::vulkan
