#include "fovea/backends/vulkan/matmul_tiles.h"
#include "fovea/backends/round_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace fovea::vulkan {
namespace {

// Eight by eight sums a thread keep an arithmetic unit busy for four instructions on every value read from shared
// memory; two slabs of eight steps take as much of it as one of sixteen and need one barrier instead of two.
constexpr std::array tiles{
    MatmulTile{"32x32x16", 32, 32, 16, 4, 4, 1, 1},       MatmulTile{"64x64x16", 64, 64, 16, 8, 4, 1, 8},
    MatmulTile{"64x64x16 twice", 64, 64, 16, 8, 4, 2, 8}, MatmulTile{"128x128x8 twice", 128, 128, 8, 8, 8, 2, 8},
    MatmulTile{"128x128x16", 128, 128, 16, 8, 8, 1, 8},   MatmulTile{"128x64x16", 128, 64, 16, 8, 8, 1, 8},
    MatmulTile{"32x128x16", 32, 128, 16, 4, 8, 1, 8},
};
constexpr size_t medium = 1, medium_twice = 2, large_twice = 3, large = 4, tall = 5, flat = 6;

constexpr bool well_formed(const MatmulTile& tile) {
  const uint32_t across = tile.n / tile.thread_n, down = tile.m / tile.thread_m;
  return across % 8 == 0 && down % 4 == 0 && tile.k % tile.unroll == 0 && tile.thread_m % 4 == 0 &&
         tile.thread_n % 4 == 0 && tile.m * tile.k % (4 * tile.threads()) == 0 &&
         tile.n * tile.k % (4 * tile.threads()) == 0;
}
static_assert(std::all_of(tiles.begin(), tiles.end(), well_formed));

constexpr std::array wide_tiles{
    CooperativeTile{"64x64x32", 64, 64, 32, 4, 1},
    CooperativeTile{"128x128x32", 128, 128, 32, 8, 1},
    CooperativeTile{"128x128x32 twice", 128, 128, 32, 8, 2},
    CooperativeTile{"256x128x32", 256, 128, 32, 8, 1},
};

int log2_rounded_up(int64_t x) { return x <= 1 ? 0 : static_cast<int>(std::bit_width(static_cast<uint64_t>(x - 1))); }

}  // namespace

std::span<const MatmulTile> matmul_tiles() { return tiles; }
std::span<const CooperativeTile> cooperative_tiles() { return wide_tiles; }

size_t default_tile(const MatmulDevice& device, const MatmulSize& size) {
  if (device.software) return plain_tile;
  const auto serves = [&](size_t tile) {
    return device.fits(tiles[tile]) && size.tiles(tiles[tile].m, tiles[tile].n) >= device.busy_groups / 8;
  };
  const int64_t least = std::min(size.m, size.n);
  if (least > 64 && serves(large_twice)) return large_twice;
  if (least > 32 && serves(medium_twice)) return medium_twice;
  if (least > 32 && size.k > 512 && device.fits(tiles[medium])) return medium;
  return plain_tile;
}

std::vector<size_t> candidate_tiles(const MatmulDevice& device, const MatmulSize& size) {
  const size_t usual = default_tile(device, size);
  std::vector<size_t> chosen{usual};
  const auto add = [&](size_t tile) {
    if (tile != usual && device.fits(tiles[tile])) chosen.push_back(tile);
  };
  if (size.m <= 32) {
    add(plain_tile);
    add(flat);
  } else if (std::min(size.m, size.n) <= 64) {
    for (size_t tile : {plain_tile, medium, medium_twice, tall}) add(tile);
  } else {
    for (size_t tile : {medium, medium_twice, large, large_twice, tall}) add(tile);
  }
  return chosen;
}

int64_t choose_splits(const MatmulDevice& device, const MatmulSize& size) {
  constexpr int64_t least_part = 256;
  const MatmulTile& tile = tiles[default_tile(device, size)];
  const int64_t enough = device.software ? 2 : device.busy_groups / 4;
  const int64_t there = size.tiles(tile.m, tile.n);
  if (there == 0 || size.k < 2 * least_part) return 1;
  return std::clamp<int64_t>(std::min(enough / there, size.k / least_part), 1, 64);
}

int64_t part_length(int64_t k, int64_t splits) { return splits == 1 ? k : round_up(divide_up(k, splits), 64); }

MatmulClass MatmulClass::of(DType dtype, const MatmulSize& size, bool a_along_k, bool b_along_n, bool vectors,
                            bool cooperative) {
  return {dtype,
          a_along_k,
          b_along_n,
          vectors,
          cooperative,
          log2_rounded_up(size.m),
          log2_rounded_up(size.n),
          log2_rounded_up(size.k),
          log2_rounded_up(size.batch)};
}

std::string MatmulClass::text() const {
  return fmt::format("{}{} m{} n{} k{} batch{} a{} b{}{}", name(dtype), cooperative ? " cooperative" : "", log_m, log_n,
                     log_k, log_batch, a_along_k ? 'k' : 'm', b_along_n ? 'n' : 'k', vectors ? " vectors" : "");
}

std::optional<CooperativeShape> choose_cooperative(std::span<const CooperativeProperty> properties, DType dtype) {
  constexpr uint32_t component_f16 = 0, component_f32 = 1, component_bf16 = 1000141000, scope_subgroup = 3;
  const uint32_t wanted = dtype == f16 ? component_f16 : component_bf16;
  std::optional<CooperativeShape> best;
  const auto rank = [](const CooperativeShape& s) {
    return s == CooperativeShape{16, 16, 16} ? UINT64_MAX : uint64_t{s.m} * s.n * s.k;
  };
  for (const CooperativeProperty& p : properties) {
    if (p.a != wanted || p.b != wanted || p.c != component_f32 || p.result != component_f32) continue;
    if (p.saturating || p.scope != scope_subgroup) continue;
    // They are read from shared memory eight elements at a time, and divide every tile.
    if (p.m < 8 || p.n < 8 || p.k < 8 || p.m > 32 || p.n > 32 || p.k > 32) continue;
    if (!std::has_single_bit(p.m) || !std::has_single_bit(p.n) || !std::has_single_bit(p.k)) continue;
    const CooperativeShape shape{p.m, p.n, p.k};
    if (!best || rank(shape) > rank(*best)) best = shape;
  }
  return best;
}

std::vector<size_t> candidate_cooperative_tiles(const MatmulDevice& device, const MatmulSize& size,
                                                const CooperativeShape& shape, uint32_t subgroup_size) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < wide_tiles.size(); ++i) {
    const CooperativeTile& tile = wide_tiles[i];
    // Sums leave a subgroup by way of a, a matrix a subgroup.
    const bool room = tile.subgroups * shape.m * shape.n * 4 <= tile.shared_bytes() / 2;
    const uint32_t down = 2, across = tile.subgroups / down;
    if (!room || tile.shared_bytes() > device.shared_bytes) continue;
    if (tile.subgroups * subgroup_size > device.workgroup_threads) continue;
    if (tile.m % (down * shape.m) != 0 || tile.n % (across * shape.n) != 0 || tile.k % shape.k != 0) continue;
    chosen.push_back(i);
  }
  // The largest of which there are enough, else the smallest.
  const auto serves = [&](size_t i) { return size.tiles(wide_tiles[i].m, wide_tiles[i].n) >= device.busy_groups / 8; };
  const auto usual = std::find_if(chosen.rbegin(), chosen.rend(), serves);
  if (usual != chosen.rend()) std::rotate(chosen.begin(), std::prev(usual.base()), usual.base());
  return chosen;
}

}  // namespace fovea::vulkan
