#include "fovea/backends/vulkan/staging.h"

#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

class StagingTest : public VulkanTest {
 protected:
  /// Begins a new batch after something that the device has to do.
  static uint64_t submit(vulkan::Recorder& recorder, const vulkan::StagingRing::Slot& slot) {
    const uint64_t batch = recorder.open_batch();
    recorder.fill(slot.buffer, slot.offset, slot.address, 64, 0);
    recorder.flush();
    return batch;
  }
};

TEST_F(StagingTest, APlaceIsTakenAgainWhenItsBatchIsDone) {
  const vulkan::LogicalDevice device(vulkan::instance().devices().front());
  vulkan::Recorder recorder(device, {});
  vulkan::StagingRing ring(device, recorder, vulkan::MemoryUse::upload, 1024);
  const auto first = ring.take(400);
  const uint64_t first_batch = submit(recorder, first);
  const auto second = ring.take(400);
  EXPECT_EQ(second.offset, first.offset + 400);
  const uint64_t second_batch = submit(recorder, second);
  const auto third = ring.take(400);  // no room behind the second
  EXPECT_EQ(third.offset, first.offset);
  EXPECT_GE(recorder.completed(), first_batch);
  const uint64_t third_batch = submit(recorder, third);
  EXPECT_EQ(ring.take(96).offset, 400u);
  EXPECT_GE(recorder.completed(), second_batch) << "what begins behind another place of its batch is another span";
  EXPECT_EQ(ring.take(500).offset, 496u);
  EXPECT_EQ(ring.take(16).offset, 1008u);
  EXPECT_EQ(ring.take(16).offset, 0u);
  EXPECT_GE(recorder.completed(), third_batch);
  recorder.wait(recorder.open_batch());
}

// Places side by side that were taken in two batches are two spans: the later one waits for the later batch.
TEST_F(StagingTest, NeighboursOfTwoBatchesAreKeptApart) {
  const vulkan::LogicalDevice device(vulkan::instance().devices().front());
  vulkan::Recorder recorder(device, {});
  vulkan::StagingRing ring(device, recorder, vulkan::MemoryUse::upload, 1024);
  submit(recorder, ring.take(256));
  const auto place = ring.take(256);
  const uint64_t later = recorder.open_batch();
  recorder.fill(place.buffer, place.offset, place.address, 64, 0);
  ring.take(512);
  ring.take(256);
  EXPECT_EQ(recorder.open_batch(), later) << "the first place was free without a submit of the open batch";
  ring.take(256);
  EXPECT_GE(recorder.completed(), later);
  recorder.wait(recorder.open_batch());
}

}  // namespace
}  // namespace fovea::test
