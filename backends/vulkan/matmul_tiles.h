#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fovea/backends/dtype.h"
#include "fovea/backends/round_up.h"

// How products are cut into tiles: plain data and pure functions, so that every choice can be tested without a device.
namespace fovea::vulkan {

/// A variant of matmul.comp: its specialisation constants.
struct MatmulTile {
  const char* name;
  uint32_t m, n;                // what a workgroup computes
  uint32_t k;                   // of a slab in shared memory
  uint32_t thread_m, thread_n;  // what a thread computes
  uint32_t slabs;               // 2: the next is stored while the present one is multiplied
  uint32_t unroll;              // steps of k that are written out

  constexpr uint32_t threads() const { return m / thread_m * (n / thread_n); }
  constexpr uint32_t shared_bytes() const { return slabs * k * (m + 4 + n + 4) * 4; }
};

/// All tiles. The first is the plain one: what the others are checked against, and what a software device uses, which
/// takes long to compile one and gains nothing from a larger one.
std::span<const MatmulTile> matmul_tiles();
inline constexpr size_t plain_tile = 0;

/// What the choice depends on.
struct MatmulDevice {
  bool software;
  int64_t busy_groups;  // workgroups that keep the device busy
  uint32_t shared_bytes;
  uint32_t workgroup_threads;

  bool fits(const MatmulTile& tile) const {
    return tile.shared_bytes() <= shared_bytes && tile.threads() <= workgroup_threads;
  }
};
struct MatmulSize {
  int64_t m, n, k, batch;

  int64_t tiles(uint32_t tile_m, uint32_t tile_n) const { return divide_up(m, tile_m) * divide_up(n, tile_n) * batch; }
  double work() const { return 2.0 * static_cast<double>(m * n) * static_cast<double>(k * batch); }
};

/// The tile to use where nothing was measured: the largest of which there are enough to keep the device busy.
size_t default_tile(const MatmulDevice& device, const MatmulSize& size);
/// The tiles worth measuring, the default first.
std::vector<size_t> candidate_tiles(const MatmulDevice& device, const MatmulSize& size);

/// Into how many parts k is cut where there are too few tiles. Only size and device decide, never a measurement: the
/// order in which a sum is taken must not change from run to run. The length of a part is a multiple of 64.
int64_t choose_splits(const MatmulDevice& device, const MatmulSize& size);
int64_t part_length(int64_t k, int64_t splits);

/// Products that are timed together: sizes to a factor of two, layouts, element type.
struct MatmulClass {
  DType dtype;
  bool a_along_k, b_along_n;  // which axis is dense
  bool vectors;               // neighbours are read together
  bool cooperative;
  int log_m, log_n, log_k, log_batch;

  static MatmulClass of(DType dtype, const MatmulSize& size, bool a_along_k, bool b_along_n, bool vectors,
                        bool cooperative);
  std::string text() const;
};

/// Cooperative matrices of one type of a and b, with f32 sums: what the driver reports of them.
struct CooperativeShape {
  uint32_t m, n, k;
  friend bool operator==(const CooperativeShape&, const CooperativeShape&) = default;
};
/// One entry of vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR, in its own numbers (VkComponentTypeKHR, VkScopeKHR).
struct CooperativeProperty {
  uint32_t m, n, k;
  uint32_t a, b, c, result;
  bool saturating;
  uint32_t scope;
};
/// The shape to use for f16 or bf16: one of a subgroup, with f32 sums, that the tiles can be made of; 16 x 16 x 16
/// where it is there, else the largest.
std::optional<CooperativeShape> choose_cooperative(std::span<const CooperativeProperty> properties, DType dtype);

/// A variant of matmul_cooperative.comp.
struct CooperativeTile {
  const char* name;
  uint32_t m, n, k;
  uint32_t subgroups;
  uint32_t slabs;

  constexpr uint32_t shared_bytes() const {
    const uint32_t a = m * (k / 8 + 1), a_turned = k * (m / 8 + 1), b = n * (k / 8 + 1), b_turned = k * (n / 8 + 1);
    return slabs * ((a > a_turned ? a : a_turned) + (b > b_turned ? b : b_turned)) * 16;
  }
};
std::span<const CooperativeTile> cooperative_tiles();
/// Those that the device can run, the one to use where nothing was measured first; empty where there is none.
std::vector<size_t> candidate_cooperative_tiles(const MatmulDevice& device, const MatmulSize& size,
                                                const CooperativeShape& shape, uint32_t subgroup_size);

}  // namespace fovea::vulkan
