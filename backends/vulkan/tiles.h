#pragma once

#include "fovea/backends/round_up.h"
#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {

/// How kernels that stand on shaders/tiles.glsl cut their results. A software device runs a barrier by switching between
/// its threads, so it gets few of them; another has large tiles where there are the 32 KiB of shared memory that these
/// need. Small ones take 18 KiB, and with short slabs 12.
struct Tiles {
  explicit Tiles(const Engine& engine) {
    const PhysicalDevice& device = engine.physical();
    const bool roomy = device.shared_bytes >= 32768;
    side = roomy && !device.is_cpu() ? 64 : 32;
    slab = roomy && side == 32 ? 32 : 16;
  }

  uint32_t side, slab;
  int64_t of(int64_t count) const { return divide_up(count, side); }
  uint32_t threads() const { return side / 4 * (side / 4); }
};

/// Cuts a kernel's workgroups into launches that a watchdog tolerates: calls launch(first, count, work) for each.
template <class F>
void launch_in_parts(Engine& engine, int64_t groups, double work, F launch) {
  if (groups == 0) return;
  const double launches = std::min(work / engine.recorder().work_budget(), static_cast<double>(groups));
  const int64_t part = groups / std::max<int64_t>(static_cast<int64_t>(launches), 1);
  for (int64_t first = 0; first < groups; first += part) {
    const int64_t count = std::min(part, groups - first);
    launch(first, count, work * static_cast<double>(count) / static_cast<double>(groups));
  }
}

}  // namespace fovea::vulkan
