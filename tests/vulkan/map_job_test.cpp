#include "fovea/backends/vulkan/map_job.h"

#include <gtest/gtest.h>

#include <map>

#include "backends/array.h"

namespace fovea::vulkan {
namespace {

using test::Array;

/// Cuts a job until its pieces fit, and returns where each begins in the first operand and how much it keeps.
void cut(const MapJob& job, std::map<uint64_t, int64_t>& pieces) {
  if (job.fits()) {
    EXPECT_TRUE(pieces.emplace(job.operands[0].address, job.kept_count()).second) << "two pieces begin at one place";
    return;
  }
  for (const MapJob& half : job.halves()) cut(half, pieces);
}

// No memory of that size is there; only addresses are reckoned.
MapJob job_of(Array& x, const Shape& shape, const Strides& strides, uint32_t folded = 0) {
  x.view.shape = shape;
  x.view.strides = strides;
  Array out = x;
  for (int axis = 0; axis < shape.rank(); ++axis) out.view.shape[axis] = folded >> axis & 1 ? 1 : shape[axis];
  const View *from = &x.view, *to = &out.view;
  return make_job(shape, folded, {&from, 1}, {&to, 1});
}

TEST(MapJob, OfMoreThanAShaderReckonsWithFallsIntoPiecesThatFollowEachOther) {
  Array x = test::make({1}, f16);
  const int64_t rows = 3, columns = (int64_t{1} << 31) - 5;
  const MapJob job = job_of(x, {rows, columns}, {columns, 1});
  EXPECT_EQ(job.kept_rank, 1) << "neighbouring axes are one";
  std::map<uint64_t, int64_t> pieces;
  cut(job, pieces);
  uint64_t next = job.operands[0].address;
  for (const auto& [address, count] : pieces) {
    EXPECT_EQ(address, next);
    next = address + static_cast<uint64_t>(count) * sizeof(Half);
  }
  EXPECT_EQ(next - job.operands[0].address, static_cast<uint64_t>(rows * columns) * sizeof(Half));
}

TEST(MapJob, FitsByTheReachOfItsStridesWhateverTheirSign) {
  Array x = test::make({1});
  const int64_t far = int64_t{1} << 30;
  EXPECT_TRUE(job_of(x, {2, 2}, {far, 1}).fits());
  EXPECT_FALSE(job_of(x, {4, 2}, {far, 1}).fits());
  EXPECT_FALSE(job_of(x, {4, 2}, {-far, 1}).fits());
  EXPECT_FALSE(job_of(x, {4, 2}, {far, 1}, 1).fits()) << "along what is folded too";
  EXPECT_FALSE(job_of(x, {4, 2}, {-far, 1}, 1).fits());
}

TEST(MapJob, AFoldOfMoreThanAShaderCountsIsRefused) {
  Array x = test::make({1});
  const MapJob job = job_of(x, {int64_t{1} << 32}, {0}, 1);
  EXPECT_FALSE(job.fits());
  EXPECT_THROW((void)job.halves(), DeviceError);
}

}  // namespace
}  // namespace fovea::vulkan
