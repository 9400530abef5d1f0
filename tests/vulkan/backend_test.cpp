#include <cmath>
#include <random>
#include <thread>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/build.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using BackendTest = VulkanTest;

vulkan::VulkanBackend make_backend(const vulkan::EngineOptions& options) {
  return {0, vulkan::instance().devices().front(), options};
}

TEST(VulkanDevices, ListsEachWithItsKindAndSaysWhyThereAreNone) {
  const VulkanDevices list = list_vulkan_devices();
  if (list.devices.empty()) {
    EXPECT_FALSE(list.problem.empty());
  }
  int next = 0;
  for (const VulkanDevice& device : list.devices) {
    EXPECT_FALSE(device.name.empty());
    EXPECT_FALSE(device.type.empty());
    if (device.unfit.empty()) {
      EXPECT_EQ(device.index, next++);
    } else {
      EXPECT_EQ(device.index, -1);
    }
  }
  EXPECT_THROW(backend(Device::vulkan(200)), DeviceError);
}

TEST_F(BackendTest, BytesGoThereAndBack) {
  std::mt19937 random(5);
  // One is larger than what is staged at once.
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{77}, size_t{4096}, size_t{100001}, size_t{50} << 20}) {
    std::vector<uint8_t> sent(bytes), got(bytes);
    for (size_t i = 0; i<bytes; i += bytes> 1000000 ? 997 : 1) sent[i] = static_cast<uint8_t>(random());
    const BufferRef buffer = gpu().allocate(bytes);
    EXPECT_GE(buffer->bytes(), bytes);
    EXPECT_EQ(buffer->host(), nullptr);
    gpu().write(*buffer, 0, sent.data(), bytes);
    gpu().read(*buffer, 0, got.data(), bytes);
    EXPECT_EQ(sent, got);
  }
}

TEST_F(BackendTest, WritesPartsWhileTheBufferIsInUse) {
  const Program negate = unary(Op::neg);
  const Array zeros = make({256});
  const Mirror x(zeros), y(zeros);
  run_program(gpu(), negate, {256}, {&x}, y);
  const float part[3] = {1, 2, 3};
  gpu().write(*x.buffer, 40, part, sizeof part);  // after the kernel, which still sees zeros
  const Array before = y.pull();
  run_program(gpu(), negate, {256}, {&x}, y);
  gpu().write(*x.buffer, 40, part, 4);
  const Array after = y.pull();
  EXPECT_EQ(before.get(10), 0);
  EXPECT_EQ(after.get(10), -1);
  EXPECT_EQ(after.get(12), -3);
  EXPECT_EQ(after.get(13), 0);
}

TEST_F(BackendTest, FiveHundredDependentOperationsAreOneSubmitAndOneRoundTrip) {
  const Program negate = unary(Op::neg);
  const Mirror first(full({64}, 2));
  gpu().synchronize();
  const VulkanCounters before = vulkan_counters();
  {
    BufferRef keep = first.buffer;
    View x = first.view;
    for (int i = 0; i < 500; ++i) {
      const BufferRef out = gpu().allocate(256);
      View y = x;
      y.buffer = out.get();
      run_program(gpu(), negate, {64}, {&x}, y);
      x = y;
      keep = out;
    }
    float got[64];
    gpu().read(*keep, 0, got, sizeof got);
    EXPECT_EQ(got[63], 2);
  }
  const VulkanCounters after = vulkan_counters();
  EXPECT_EQ(after.dispatches - before.dispatches, 500u);
  // A GPU is given the first of them while the host records the rest.
  EXPECT_LE(after.submits - before.submits, vulkan::instance().devices().front().is_cpu() ? 1u : 4u);
  EXPECT_EQ(after.round_trips - before.round_trips, 1u);
  EXPECT_LE(after.pipelines - before.pipelines, 1u);
}

/// A GPU as far as the library knows, whose barriers are noted.
class GpuTest : public BackendTest {
 protected:
  static vulkan::VulkanBackend make_gpu() {
    vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
    physical.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    vulkan::EngineOptions options;
    options.stand_in = [](vulkan::DeviceFunctions& vk) {
      real_ = vk.CmdPipelineBarrier2;
      vk.CmdPipelineBarrier2 = note_barrier;
    };
    return {0, physical, options};
  }
  static VKAPI_ATTR void VKAPI_CALL note_barrier(VkCommandBuffer commands, const VkDependencyInfo* info) {
    const VkMemoryBarrier2& memory = info->pMemoryBarriers[0];
    constexpr VkPipelineStageFlags2 copies = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
    of_copies_.push_back((memory.srcStageMask & copies) && (memory.dstStageMask & copies));
    real_(commands, info);
  }

  static inline PFN_vkCmdPipelineBarrier2 real_;
  static inline std::vector<bool> of_copies_;
};

TEST_F(GpuTest, KernelsWaitForCopiesOnlyWhereThereWereSome) {
  vulkan::VulkanBackend device = make_gpu();
  const Program negate = unary(Op::neg);
  const Mirror x(full({64}, 2), device), y(make({64}), device), z(make({64}), device);
  device.synchronize();
  of_copies_.clear();
  const auto send = [&](const Mirror& to, float value) {
    const std::vector<float> values(64, value);
    device.write(*to.buffer, 0, values.data(), sizeof(float) * 64);
  };
  send(x, 3);
  run_program(device, negate, {64}, {&x}, y);  // reads what was copied
  run_program(device, negate, {64}, {&y}, z);
  run_program(device, negate, {64}, {&z}, y);
  send(x, 4);  // which a kernel has read, long before the last barrier
  send(z, 5);
  run_program(device, negate, {64}, {&x}, z);
  EXPECT_EQ(of_copies_, (std::vector<bool>{true, false, false, true, true}));
  EXPECT_EQ(y.pull().get(0), -3);
  EXPECT_EQ(z.pull().get(0), -4);
  EXPECT_TRUE(of_copies_.back());
}

TEST_F(GpuTest, ADeviceThatHasNothingToDoIsGivenWorkEarly) {
  vulkan::VulkanBackend device = make_gpu();
  const Program negate = unary(Op::neg);
  const Mirror x(full({64}, 2), device), y(make({64}), device);
  device.synchronize();
  const uint64_t before = device.counters().submits;
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(device.counters().submits, before);
    run_program(device, negate, {64}, {&x}, y);
  }
  EXPECT_EQ(device.counters().submits, before + 1);
}

TEST_F(BackendTest, IndependentOperationsHaveNoBarriersBetweenThem) {
  const Program negate = unary(Op::neg);
  std::vector<Mirror> from, to;
  for (int i = 0; i < 10; ++i) {
    from.emplace_back(full({64}, i));
    to.emplace_back(make({64}));
  }
  gpu().synchronize();
  const uint64_t before = vulkan_counters().barriers;
  for (size_t i = 0; i < 10; ++i) run_program(gpu(), negate, {64}, {&from[i]}, to[i]);
  EXPECT_EQ(vulkan_counters().barriers - before, 0u);
  run_program(gpu(), negate, {64}, {&to[3]}, from[3]);
  EXPECT_EQ(vulkan_counters().barriers - before, 1u);
  EXPECT_EQ(from[3].pull().get(5), 3);
}

TEST_F(BackendTest, FreedMemoryIsUsedAgainAndTheCacheIsBounded) {
  vulkan::VulkanBackend device = make_backend({});
  { const BufferRef first = device.allocate(1 << 20); }
  const MemoryStats once = device.memory();
  for (int i = 0; i < 100; ++i) const BufferRef again = device.allocate((1 << 20) - i);
  const MemoryStats often = device.memory();
  EXPECT_EQ(once.live, 0u);
  EXPECT_EQ(often.misses, once.misses);
  EXPECT_EQ(often.requests, once.requests + 100);
  EXPECT_EQ(often.cached, once.cached);
  EXPECT_EQ(often.peak, size_t{1} << 20);
  device.set_cache_limit(0);
  EXPECT_EQ(device.memory().cached, 0u);
  { const BufferRef more = device.allocate(5 << 20); }
  EXPECT_EQ(device.memory().cached, 0u);
}

TEST_F(BackendTest, SizesThatVaryDoNotMakeMemoryGrow) {
  vulkan::VulkanBackend device = make_backend({});
  std::mt19937 random(1);
  size_t after_first = 0;
  for (int step = 0; step < 3000; ++step) {
    // A step holds some dozens of buffers whose sizes go with the length of the batch.
    const size_t length = 5 + random() % 60;
    std::vector<BufferRef> held;
    for (size_t i = 1; i <= 40; ++i) held.push_back(device.allocate(length * 512 * (i % 7 + 1)));
    held.clear();
    if (step == 500) after_first = device.memory().cached;
  }
  EXPECT_EQ(device.memory().cached, after_first);
  EXPECT_LT(static_cast<double>(device.memory().cached), 1.3 * static_cast<double>(device.memory().peak) + (4 << 20));
}

TEST_F(BackendTest, AskingForMoreThanThereIsThrowsAndLeavesTheDeviceUsable) {
  for (const int bits : {44, 60, 62}) EXPECT_THROW(gpu().allocate(size_t{1} << bits), OutOfMemoryError);
  const Mirror x(full({8}, 4));
  EXPECT_EQ(x.pull().get(7), 4);
}

TEST_F(BackendTest, AViewBeyondItsBufferIsRefused) {
  const Program negate = unary(Op::neg);
  const Mirror x(make({64})), y(make({64}));
  View beyond = x.view;
  beyond.offset = 1;
  EXPECT_THROW(run_program(gpu(), negate, {64}, {&beyond}, y), ShapeError);
}

TEST_F(BackendTest, ThreadsMayShareADevice) {
  const Program add = binary(Op::add);
  std::vector<std::thread> threads;
  std::vector<double> got(4);
  for (size_t t = 0; t < got.size(); ++t) {
    threads.emplace_back([&, t] {
      const Mirror one(full({100}, static_cast<double>(t))), sum(make({100}));
      for (int i = 0; i < 50; ++i) run_program(gpu(), add, {100}, {&sum, &one}, sum);
      got[t] = sum.pull().get(99);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t t = 0; t < got.size(); ++t) EXPECT_EQ(got[t], 50.0 * static_cast<double>(t));
}

}  // namespace
}  // namespace fovea::test
