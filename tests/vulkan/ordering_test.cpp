#include <limits>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using OrderingTest = VulkanTest;

/// Numbers with many equal ones, zeros of both signs, infinities and NaN among them.
Array with_equals(const Shape& shape, uint64_t seed, DType dtype) {
  Array array = noise(shape, seed, dtype);
  for (int64_t i = 0; i < array.numel(); ++i) {
    double value = std::floor(array.get(i) * 8);
    if (dtype != i32 && dtype != boolean) {
      if (i % 13 == 5) value = -0.0;
      if (i % 17 == 3) value = std::numeric_limits<double>::quiet_NaN();
      if (i % 19 == 7) value = -std::numeric_limits<double>::infinity();
    }
    array.set(i, value);
  }
  return array;
}

/// Scans of one shape and type, `flags` reverse and exclusive.
void expect_scans_agree(Backend& device, DType dtype, const Shape& shape, int flags, double within) {
  SCOPED_TRACE(fmt::format("{} {} {}", dtype, shape, flags));
  const bool reverse = flags & 1, exclusive = flags & 2;
  Array x = noise(shape, 1, dtype);
  for (int64_t i = 0; i < x.numel(); ++i) x.set(i, dtype == i32 ? i % 5 - 1 : x.get(i));
  const Array out = make(shape, dtype);
  const Mirror gx(x, device), gout(out, device);
  cpu().scan({x, out, reverse, exclusive});
  device.scan({gx, gout, reverse, exclusive});
  expect_same(gout, out, within);
}

TEST_F(OrderingTest, ScansAgreeWithTheCpu) {
  for (DType dtype : {f32, f16, i32}) {
    for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{2, 64}, Shape{3, 130}, Shape{2, 1000}, Shape{0, 4}}) {
      for (int flags = 0; flags < 4; ++flags)
        expect_scans_agree(gpu(), dtype, shape, flags, dtype == i32 ? 0 : tolerance(dtype) * 2);
    }
  }
}

TEST_F(OrderingTest, ScansOfLongRowsInBlocksAgreeWithTheCpu) {
  vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
  physical.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
  vulkan::EngineOptions options;
  options.debug.bounds = true;
  vulkan::VulkanBackend device(0, physical, options);
  for (int flags = 0; flags < 4; ++flags) {
    for (int64_t n : {4096, 4097, 6144}) {
      expect_scans_agree(device, i32, {2, n}, flags, 0);
      expect_scans_agree(device, f32, {2, n}, flags, 1e-4);
    }
    expect_scans_agree(device, f16, {1, 5000}, flags, tolerance(f16) * 4);
    // Sums of whole numbers that no float holds.
    const Array large = full({1, 5000}, 12345679, i32), sums = make({1, 5000}, i32);
    const Mirror x(large, device), out(sums, device);
    cpu().scan({large, sums, (flags & 1) != 0, (flags & 2) != 0});
    device.scan({x, out, (flags & 1) != 0, (flags & 2) != 0});
    expect_same(out, sums, 0);
  }
  const uint64_t before = device.counters().dispatches;
  expect_scans_agree(device, i32, {(1 << 22) + 5}, 0, 0);  // more than 4096 blocks, whose totals are scanned in blocks
  EXPECT_EQ(device.counters().dispatches - before, 5u);
}

TEST_F(OrderingTest, ArgReduceAgreesWithTheCpu) {
  for (DType dtype : {f32, f16, i32, boolean}) {
    for (const Shape& shape : {Shape{1}, Shape{5, 3}, Shape{3, 64}, Shape{2, 500}, Shape{0, 4}}) {
      for (bool minimum : {false, true}) {
        Shape rows = shape;
        rows.erase(shape.rank() - 1);
        const Array x = with_equals(shape, 1, dtype), out = make(rows, i32);
        const Mirror gx(x), gout(out);
        cpu().arg_reduce({x, out, minimum});
        gpu().arg_reduce({gx, gout, minimum});
        SCOPED_TRACE(fmt::format("{} {} {}", dtype, shape, minimum));
        expect_same(gout, out, 0);
      }
    }
  }
}

TEST_F(OrderingTest, SortsAgreeWithTheCpu) {
  for (DType dtype : {f32, bf16, i32, boolean}) {
    for (const Shape& shape :
         {Shape{1}, Shape{4, 3}, Shape{3, 64}, Shape{70, 20}, Shape{2, 1024}, Shape{3, 2048}, Shape{2, 2500}}) {
      for (bool descending : {false, true}) {
        for (int64_t k : {int64_t{1}, shape.back()}) {
          Shape kept = shape;
          kept[shape.rank() - 1] = k;
          const Array x = with_equals(shape, 1, dtype), values = make(kept, dtype), indices = make(kept, i32);
          const Mirror gx(x), gvalues(values), gindices(indices);
          cpu().sort({x, values, indices, descending});
          gpu().sort({gx, gvalues, gindices, descending});
          SCOPED_TRACE(fmt::format("{} {} {} {}", dtype, shape, descending, k));
          expect_same(gvalues, values, 0);
          expect_same(gindices, indices, 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fovea::test
