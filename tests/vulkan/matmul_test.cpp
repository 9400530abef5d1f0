#include <gmock/gmock.h>

#include "fovea/backends/vulkan/matmul_tiles.h"
#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using MatmulTest = VulkanTest;

struct Operands {
  Array a, b, out, bias;
};

void expect_agreement(const Operands& o, bool biased, double within, Backend& device = gpu()) {
  const Mirror a(o.a, device), b(o.b, device), out(o.out, device), bias(o.bias, device);
  cpu().matmul({o.a, o.b, o.out, biased ? &o.bias : nullptr});
  device.matmul({a, b, out, biased ? &bias : nullptr});
  SCOPED_TRACE(fmt::format("{} x {}", o.a.view.shape, o.b.view.shape));
  expect_same(out, o.out, within);
}

Operands make_operands(int64_t m, int64_t k, int64_t n, DType dtype = f32, Layout la = Layout::dense,
                       Layout lb = Layout::dense, Layout lo = Layout::dense) {
  return {noise({m, k}, 1, dtype, la), noise({k, n}, 2, dtype, lb), noise({m, n}, 3, dtype, lo), noise({n}, 4, dtype)};
}

/// Repeats a matrix along leading axes: a view of stride 0 there.
Array expanded(Array array, const Shape& batch) {
  Shape shape = batch;
  Strides strides = batch;
  for (int i = 0; i < batch.rank(); ++i) strides[i] = 0;
  for (int i = 0; i < array.view.rank(); ++i) {
    shape.push_back(array.view.shape[i]);
    strides.push_back(array.view.strides[i]);
  }
  array.view.shape = shape;
  array.view.strides = strides;
  return array;
}

TEST_F(MatmulTest, AnySizesAgreeWithTheCpu) {
  for (int64_t m : {1, 3, 33, 70}) {
    for (int64_t n : {1, 17, 64, 65}) {
      for (int64_t k : {0, 1, 5, 16, 40, 130}) expect_agreement(make_operands(m, k, n), false, 2e-5);
    }
  }
  expect_agreement(make_operands(0, 3, 4), true, 0);
}

TEST_F(MatmulTest, AnyLayoutsAgreeWithTheCpu) {
  for (Layout a : layouts) {
    for (Layout b : layouts) {
      for (Layout out : {Layout::dense, Layout::transposed, Layout::padded})
        expect_agreement(make_operands(35, 20, 18, f32, a, b, out), true, 2e-5);
    }
  }
}

TEST_F(MatmulTest, WhatAFoldedGridHasTooManyOfComputesNothing) {
  vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
  physical.most_groups = 3;
  vulkan::VulkanBackend device(0, physical);
  expect_agreement(make_operands(200, 5, 3), true, 2e-5, device);  // seven tiles in three rows
  expect_agreement(make_operands(200, 0, 3), true, 0, device);
}

TEST_F(MatmulTest, TheSpeedOfTheDeviceChangesNoBit) {
  const Array a = noise({2, 32, 2048}, 1), b = noise({2, 2048, 32}, 2), out = make({2, 32, 32});
  const auto values = [&](std::optional<double> speed) {
    vulkan::EngineOptions options;
    options.speed = speed;
    vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
    const Mirror x(a, device), y(b, device), z(out, device);
    device.matmul({x, y, z});
    return std::pair{z.pull().values(), device.counters().dispatches};
  };
  const auto [fast, whole] = values({});
  const auto [slow, pieces] = values(1e6);
  EXPECT_GT(pieces, whole);
  EXPECT_EQ(slow, fast) << "pieces of a product are cut along k as the whole is";
}

/// A device that is taken for so slow that products go in pieces.
vulkan::VulkanBackend slow_device() {
  vulkan::EngineOptions options;
  options.speed = 1e6;
  return {0, vulkan::instance().devices().front(), options};
}

TEST_F(MatmulTest, PiecesOfManyRowsAgreeWithTheCpu) {
  vulkan::VulkanBackend device = slow_device();
  const uint64_t before = device.counters().dispatches;
  expect_agreement(make_operands(1300, 20, 9), true, 2e-5, device);
  EXPECT_GT(device.counters().dispatches - before, 1u);
}

TEST_F(MatmulTest, BiasAgreesWithTheCpu) {
  for (bool biased : {false, true}) {
    expect_agreement(make_operands(9, 30, 21), biased, 2e-5);
    expect_agreement(make_operands(9, 1500, 21), biased, 1e-4);  // in parts
  }
}

TEST_F(MatmulTest, ShortTypesAgreeWithTheCpu) {
  for (DType dtype : {f16, bf16}) {
    expect_agreement(make_operands(20, 33, 40, dtype), true, 2 * tolerance(dtype));
    expect_agreement(make_operands(4, 1100, 4, dtype), true, 10 * tolerance(dtype));
  }
}

TEST_F(MatmulTest, BatchesOfEveryKindAgreeWithTheCpu) {
  const auto batched = [](const Array& a, const Array& b, const Shape& out) {
    expect_agreement({a, b, make(out), noise({out.back()}, 4)}, true, 2e-5);
  };
  batched(noise({5, 6, 7}, 1), noise({5, 7, 8}, 2), {5, 6, 8});
  batched(noise({5, 6, 7}, 1), expanded(noise({7, 8}, 2), {5}), {5, 6, 8});     // one product of 30 rows
  batched(noise({40, 1, 7}, 1), expanded(noise({7, 8}, 2), {40}), {40, 1, 8});  // likewise, of vectors
  batched(expanded(noise({6, 7}, 1), {5}), noise({5, 7, 8}, 2), {5, 6, 8});
  batched(noise({3, 4, 6, 7}, 1), noise({3, 4, 7, 8}, 2), {3, 4, 6, 8});
  Array heads = noise({3, 6, 4, 7}, 1);  // as attention views them: [batch, time, head, dim] with the middle swapped
  heads.view.shape = {3, 4, 6, 7};
  heads.view.strides = {6 * 4 * 7, 7, 4 * 7, 1};
  batched(heads, noise({3, 4, 7, 8}, 2), {3, 4, 6, 8});
  Array many = noise({2, 3, 2, 2, 3, 4}, 1);
  batched(many, expanded(noise({2, 3, 4, 5}, 2), {2, 3}), {2, 3, 2, 2, 3, 5});
  many.view.shape = {3, 2, 2, 2, 3, 4};
  many.view.strides = {48, 144, 12, 24, 4, 1};
  batched(many, noise({3, 2, 2, 2, 4, 5}, 2), {3, 2, 2, 2, 3, 5});
  Array turned = noise({2, 3, 4, 4, 1, 3}, 1);  // no two axes go on evenly
  turned.view.shape = {4, 4, 3, 2, 1, 3};
  turned.view.strides = {3, 12, 48, 144, 3, 1};
  batched(turned, noise({4, 4, 3, 2, 3, 2}, 2), {4, 4, 3, 2, 1, 2});
}

// Rows of a batch that are only some of those in memory do not go on evenly.
TEST_F(MatmulTest, SlicesOfABatchAgreeWithTheCpu) {
  const auto slice = [](Array array, int axis, int64_t size) {
    array.view.shape[axis] = size;
    return array;
  };
  const Array bias = noise({8}, 4), matrix = noise({7, 8}, 2);
  expect_agreement({slice(noise({5, 9, 7}, 1), 1, 6), expanded(matrix, {5}), make({5, 6, 8}), bias}, true, 2e-5);
  expect_agreement({noise({5, 6, 7}, 1), expanded(matrix, {5}), slice(make({5, 9, 8}), 1, 6), bias}, true, 2e-5);
  expect_agreement({noise({2, 3, 6, 7}, 1), noise({2, 3, 7, 8}, 2), slice(make({2, 4, 6, 8}), 1, 3), bias}, true, 2e-5);
}

TEST_F(MatmulTest, EveryTileGivesTheBitsOfThePlainOne) {
  const auto values = [](const Operands& o, size_t tile) {
    vulkan::EngineOptions options;
    options.vectorise = true;
    options.matmul_tile = tile;
    vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
    expect_agreement(o, false, 2e-5, device);
    const Mirror a(o.a, device), b(o.b, device), out(o.out, device);
    device.matmul({a, b, out});
    return out.pull().values();
  };
  const Operands even = make_operands(132, 36, 140),
                 turned = make_operands(132, 36, 140, f32, Layout::transposed, Layout::transposed);
  for (const Operands* o : {&even, &turned}) {
    const std::vector<double> plain = values(*o, vulkan::plain_tile);
    for (size_t tile = 1; tile < vulkan::matmul_tiles().size(); ++tile) {
      SCOPED_TRACE(vulkan::matmul_tiles()[tile].name);
      EXPECT_EQ(values(*o, tile), plain);
    }
  }
}

TEST_F(MatmulTest, EdgesOfALargeTileAgreeWithTheCpu) {
  vulkan::EngineOptions options;
  options.matmul_tile = 3;
  vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
  expect_agreement(make_operands(131, 35, 141), true, 2e-5, device);
}

TEST_F(MatmulTest, VectorReadsAgreeWithTheCpu) {
  vulkan::EngineOptions options;
  options.vectorise = true;
  vulkan::VulkanBackend device(0, vulkan::instance().devices().front(), options);
  for (Layout a : {Layout::dense, Layout::transposed}) {
    for (Layout b : {Layout::dense, Layout::transposed}) {
      expect_agreement(make_operands(44, 36, 40, f32, a, b), true, 2e-5, device);
      for (DType dtype : {f16, bf16})
        expect_agreement(make_operands(44, 36, 40, dtype, a, b), true, 4 * tolerance(dtype), device);
    }
  }
  expect_agreement(make_operands(8, 1500, 12), true, 1e-4, device);  // in parts
  // Lengths that are no whole vectors, in rows that are.
  const auto cut = [](Array array, int64_t rows, int64_t columns) {
    array.view.shape = {rows, columns};
    return array;
  };
  for (Layout layout : {Layout::dense, Layout::transposed}) {
    const Array a = full({44, 40}, NAN, f32, layout), b = full({40, 44}, NAN, f32, layout);
    const Array left = cut(a, 42, 38), right = cut(b, 38, 42), out = cut(full({44, 44}, 7), 42, 42);
    fill(left, 1);
    fill(right, 2);
    expect_agreement({left, right, out, noise({42}, 4)}, true, 2e-5, device);
    const Mirror x(left, device), y(right, device), z(out, device);
    device.matmul({x, y, z});
    EXPECT_EQ(cut(z.pull(), 44, 44).get(43), 7) << "what lies beside the result";
  }
}

TEST_F(MatmulTest, CooperativeMatricesAgreeWithTheCpu) {
  const vulkan::PhysicalDevice& physical = vulkan::instance().devices().front();
  if (!physical.cooperative.f16 && !physical.cooperative.bf16) GTEST_SKIP() << "the device has no cooperative matrices";
  vulkan::EngineOptions options;
  options.cooperative = true;
  vulkan::VulkanBackend device(0, physical, options);
  for (DType dtype : {f16, bf16}) {
    if (!physical.cooperative.of(dtype)) continue;
    for (Layout a : layouts) {
      for (Layout b : layouts)
        expect_agreement(make_operands(72, 40, 136, dtype, a, b), true, 4 * tolerance(dtype), device);
    }
    for (int64_t m : {1, 65, 130}) {
      for (int64_t n : {1, 63, 129}) {
        for (int64_t k : {0, 1, 33, 64})
          expect_agreement(make_operands(m, k, n, dtype), m != 65, 4 * tolerance(dtype), device);
      }
    }
    expect_agreement(make_operands(8, 1500, 12, dtype), true, 20 * tolerance(dtype), device);  // in parts
    const Array a = noise({3, 20, 24}, 1, dtype), b = noise({3, 24, 36}, 2, dtype);
    expect_agreement({a, b, make({3, 20, 36}, dtype), noise({36}, 4, dtype)}, true, 4 * tolerance(dtype), device);
    const std::string in_use = fmt::format("cooperative matrices of {}: in use", name(dtype));
    EXPECT_THAT(device.notes(), testing::Contains(testing::StartsWith(in_use)));
  }
}

TEST_F(MatmulTest, AProductInPartsIsTheSameEachTime) {
  const Operands o = make_operands(5, 4000, 7);
  const Mirror a(o.a), b(o.b), first(o.out), second(o.out);
  gpu().matmul({a, b, first});
  gpu().matmul({a, b, second});
  EXPECT_EQ(first.pull().values(), second.pull().values());
}

}  // namespace
}  // namespace fovea::test
