#include "fovea/backends/vulkan/matmul_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "fovea/backends/vulkan/cooperative.h"

namespace fovea::vulkan {
namespace {

constexpr MatmulDevice software{true, 4, 32768, 1024}, gpu{false, 1024, 49152, 1024}, narrow{false, 1024, 16384, 256};
constexpr uint32_t component_f16 = 0, component_f32 = 1, component_s8 = 3, component_bf16 = 1000141000;
constexpr uint32_t subgroup = 3, workgroup = 2;

std::string tile_of(const MatmulDevice& device, const MatmulSize& size) {
  return matmul_tiles()[default_tile(device, size)].name;
}

TEST(MatmulTiles, LargeProductsGetLargeTilesAndSmallOnesSmall) {
  EXPECT_EQ(tile_of(gpu, {4096, 4096, 4096, 1}), "128x128x8 twice");
  EXPECT_EQ(tile_of(gpu, {512, 512, 512, 1}), "32x32x16");  // too few of the larger ones
  EXPECT_EQ(tile_of(gpu, {64, 64, 64, 256}), "64x64x16 twice");
  EXPECT_EQ(tile_of(gpu, {1, 4096, 4096, 1}), "32x32x16");
  for (int64_t side : {1, 64, 4096}) EXPECT_EQ(default_tile(software, {side, side, side, 1}), plain_tile);
}

TEST(MatmulTiles, EveryChoiceFitsTheDevice) {
  for (const MatmulDevice& device : {software, gpu, narrow}) {
    for (int64_t m : {1, 31, 64, 65, 500, 5000}) {
      for (int64_t n : {1, 64, 400, 5000}) {
        for (int64_t k : {1, 600, 5000}) {
          const MatmulSize size{m, n, k, 3};
          const std::vector<size_t> tiles = candidate_tiles(device, size);
          EXPECT_EQ(tiles.front(), default_tile(device, size));
          EXPECT_EQ(std::set(tiles.begin(), tiles.end()).size(), tiles.size());
          for (size_t tile : tiles) EXPECT_TRUE(device.fits(matmul_tiles()[tile])) << matmul_tiles()[tile].name;
        }
      }
    }
  }
}

TEST(MatmulTiles, PartsOfKCoverItAndKeepTheDeviceBusy) {
  EXPECT_EQ(choose_splits(gpu, {4096, 4096, 4096, 1}), 1);
  EXPECT_GT(choose_splits(gpu, {32, 32, 8192, 1}), 8);
  EXPECT_EQ(choose_splits(gpu, {32, 32, 300, 1}), 1);  // parts would be too short
  for (const MatmulDevice& device : {software, gpu}) {
    for (int64_t k : {1, 511, 512, 1000, 4000, 100000}) {
      const int64_t splits = choose_splits(device, {8, 8, k, 1}), length = part_length(k, splits);
      EXPECT_GE(splits * length, k);
      EXPECT_TRUE(splits == 1 || length % 64 == 0);
      EXPECT_LE(splits, 64);
    }
  }
}

TEST(MatmulTiles, AClassJoinsSizesOfAFactorOfTwo) {
  const auto text = [](int64_t m, bool wide) {
    return MatmulClass::of(f16, {m, 100, 7, 1}, wide, true, true, false).text();
  };
  EXPECT_EQ(text(129, true), text(256, true));
  EXPECT_NE(text(128, true), text(129, true));
  EXPECT_NE(text(128, true), text(128, false));
  EXPECT_EQ(text(200, false), "f16 m8 n7 k3 batch0 am bn vectors");
}

TEST(CooperativeMatrices, TheShapeIsOneOfASubgroupWithSingleSums) {
  const CooperativeProperty good{16,    16,      16, component_f16, component_f16, component_f32, component_f32,
                                 false, subgroup};
  const auto with = [&](auto change) {
    CooperativeProperty p = good;
    change(p);
    return p;
  };
  const std::vector<CooperativeProperty> useless{
      with([](auto& p) { p.a = component_s8; }),
      with([](auto& p) { p.b = component_f32; }),
      with([](auto& p) { p.result = component_f16; }),
      with([](auto& p) { p.c = component_f16; }),
      with([](auto& p) { p.saturating = true; }),
      with([](auto& p) { p.scope = workgroup; }),
      with([](auto& p) { p.k = 4; }),
      with([](auto& p) { p.m = 24; }),
      with([](auto& p) { p.n = 64; }),
  };
  EXPECT_EQ(choose_cooperative(useless, f16), std::nullopt);

  std::vector<CooperativeProperty> listed = useless;
  listed.push_back(with([](auto& p) { p.n = 8, p.k = 8; }));
  listed.push_back(with([](auto& p) { p.n = 8; }));
  EXPECT_EQ(choose_cooperative(listed, f16), (CooperativeShape{16, 8, 16}));
  listed.push_back(with([](auto& p) { p.k = 32; }));
  listed.push_back(good);
  listed.push_back(with([](auto& p) { p.m = 32; }));
  EXPECT_EQ(choose_cooperative(listed, f16), (CooperativeShape{16, 16, 16}));
  EXPECT_EQ(choose_cooperative(listed, bf16), std::nullopt);
  listed.push_back(with([](auto& p) { p.m = 8, p.a = p.b = component_bf16; }));
  EXPECT_EQ(choose_cooperative(listed, bf16), (CooperativeShape{8, 16, 16}));
}

TEST(CooperativeMatrices, WhatADeviceLacksIsNamed) {
  CooperativeFacts facts;
  EXPECT_EQ(judge_cooperative(facts).f16_lacks, "VK_KHR_cooperative_matrix");
  facts.extension = facts.feature = true;
  EXPECT_EQ(judge_cooperative(facts).f16_lacks, "cooperative matrices in compute shaders");
  facts.in_compute = true;
  EXPECT_EQ(judge_cooperative(facts).f16_lacks, "shaderFloat16");
  facts.float16 = true;
  EXPECT_EQ(judge_cooperative(facts).bf16_lacks, "vulkanMemoryModelDeviceScope");
  facts.memory_model = true;
  EXPECT_EQ(judge_cooperative(facts).f16_lacks, "subgroupSizeControl");
  facts.subgroup_control = true;
  EXPECT_EQ(judge_cooperative(facts).f16_lacks, "a shape of f16 with f32 sums that fits");
  facts.properties = {{16, 16, 16, component_f16, component_f16, component_f32, component_f32, false, subgroup}};
  CooperativeSupport support = judge_cooperative(facts);
  EXPECT_EQ(support.f16, (CooperativeShape{16, 16, 16}));
  EXPECT_EQ(support.f16_lacks, "");
  EXPECT_EQ(support.bf16, std::nullopt);
  EXPECT_EQ(support.bf16_lacks, "VK_KHR_shader_bfloat16");
  facts.bf16_extension = facts.bf16_feature = true;
  facts.properties.push_back(
      {16, 16, 8, component_bf16, component_bf16, component_f32, component_f32, false, subgroup});
  support = judge_cooperative(facts);
  EXPECT_EQ(support.of(bf16), (CooperativeShape{16, 16, 8}));
  EXPECT_EQ(support.lacks(bf16), "");
}

TEST(CooperativeMatrices, TilesAreMadeOfWholeMatricesAndFit) {
  for (const CooperativeShape& shape :
       {CooperativeShape{16, 16, 16}, {16, 8, 16}, {8, 16, 16}, {8, 8, 8}, {32, 32, 16}, {16, 16, 32}}) {
    for (const MatmulDevice& device : {gpu, narrow}) {
      for (uint32_t width : {8u, 16u, 32u, 64u}) {
        for (size_t i : candidate_cooperative_tiles(device, {4096, 4096, 4096, 1}, shape, width)) {
          const CooperativeTile& tile = cooperative_tiles()[i];
          EXPECT_LE(tile.shared_bytes(), device.shared_bytes);
          EXPECT_LE(tile.subgroups * width, device.workgroup_threads);
          EXPECT_EQ(tile.m % (2 * shape.m), 0u);
          EXPECT_EQ(tile.n % (tile.subgroups / 2 * shape.n), 0u);
          EXPECT_EQ(tile.k % shape.k, 0u);
          EXPECT_EQ(tile.m * tile.k / 8 % (tile.subgroups * width), 0u) << "threads share the words of a slab evenly";
          EXPECT_EQ(tile.n * tile.k / 8 % (tile.subgroups * width), 0u);
        }
      }
    }
  }
  EXPECT_EQ(candidate_cooperative_tiles(gpu, {64, 64, 64, 1}, {16, 16, 16}, 32).size(), cooperative_tiles().size());
}

}  // namespace
}  // namespace fovea::vulkan
