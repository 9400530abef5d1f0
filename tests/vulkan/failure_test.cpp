#include <chrono>
#include <cstdlib>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "fovea/fovea.h"
#include "vulkan/build.h"
#include "vulkan/mirror.h"

// Devices that fail, by a driver's entry points that a test has put its own in place of.
namespace fovea::test {
namespace {

using FailureTest = VulkanTest;

vulkan::VulkanBackend make_backend(std::function<void(vulkan::DeviceFunctions&)> stand_in) {
  vulkan::EngineOptions options;
  options.stand_in = std::move(stand_in);
  return {0, vulkan::instance().devices().front(), options};
}

void negate(Backend& device, const View& x, const View& y) {
  const Program program = unary(Op::neg);
  const View *in = &x, *out = &y;
  device.map({program, f32, x.shape, {&in, 1}, {&out, 1}, {}});
}

template <class Failure>
std::string message_of(const std::function<void()>& f) {
  try {
    f();
    return "no error";
  } catch (const Failure& error) {
    return error.what();
  }
}

bool lose = false;
PFN_vkQueueSubmit2 real_submit = nullptr;
VKAPI_ATTR VkResult VKAPI_CALL lost_submit(VkQueue queue, uint32_t count, const VkSubmitInfo2* infos, VkFence fence) {
  return lose ? VK_ERROR_DEVICE_LOST : real_submit(queue, count, infos, fence);
}

TEST_F(FailureTest, ALostDeviceNamesWhatItRanAndStaysLost) {
  lose = false;
  vulkan::VulkanBackend device = make_backend([](vulkan::DeviceFunctions& vk) {
    real_submit = vk.QueueSubmit2;
    vk.QueueSubmit2 = lost_submit;
  });
  const Mirror x(full({3, 5}, 2), device), y(make({3, 5}), device);
  negate(device, x, y);
  EXPECT_EQ(y.pull().get(0), -2);
  lose = true;
  negate(device, x, y);
  negate(device, y, x);
  const std::string message = message_of<DeviceError>([&] { device.synchronize(); });
  EXPECT_TRUE(message.ends_with("was lost while it ran 2 operations up to neg [3, 5]")) << message;
  EXPECT_EQ(message_of<DeviceError>([&] { negate(device, x, y); }), message);
}

VKAPI_ATTR VkResult VKAPI_CALL endless_wait(VkDevice, const VkSemaphoreWaitInfo*, uint64_t) { return VK_TIMEOUT; }
VKAPI_ATTR VkResult VKAPI_CALL no_progress(VkDevice, VkSemaphore, uint64_t* value) {
  *value = 0;
  return VK_SUCCESS;
}

TEST_F(FailureTest, ADeviceThatDoesNotAnswerIsGivenUp) {
  vulkan::VulkanBackend device = make_backend([](vulkan::DeviceFunctions& vk) {
    vk.WaitSemaphores = endless_wait;
    vk.GetSemaphoreCounterValue = no_progress;
  });
  const BufferRef x = device.allocate(64), y = device.allocate(64);
  const View from{x.get(), 0, f32, {4, 4}, {4, 1}}, to{y.get(), 0, f32, {4, 4}, {4, 1}};
  negate(device, from, to);
  const std::string message = message_of<DeviceError>([&] { device.synchronize(); });
  EXPECT_NE(message.find("has finished nothing for"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("it was to run 1 operations up to neg [4, 4]")) << message;
}

VKAPI_ATTR VkResult VKAPI_CALL all_done(VkDevice, VkSemaphore, uint64_t* value) {
  *value = UINT64_MAX;
  return VK_SUCCESS;
}
VKAPI_ATTR VkResult VKAPI_CALL no_wait(VkDevice, const VkSemaphoreWaitInfo*, uint64_t) { return VK_SUCCESS; }

// As drivers do whose device is gone.
TEST_F(FailureTest, ALostDeviceThatClaimsToBeDoneIsNotBelieved) {
  for (const bool counts : {false, true}) {
    vulkan::VulkanBackend device = make_backend([counts](vulkan::DeviceFunctions& vk) {
      vk.GetSemaphoreCounterValue = counts ? all_done : no_progress;
      vk.WaitSemaphores = no_wait;
    });
    const BufferRef x = device.allocate(64), y = device.allocate(64);
    const View from{x.get(), 0, f32, {4, 4}, {4, 1}}, to{y.get(), 0, f32, {4, 4}, {4, 1}};
    negate(device, from, to);
    const std::string message = message_of<DeviceError>([&] { device.synchronize(); });
    EXPECT_TRUE(message.ends_with("was lost while it ran 1 operations up to neg [4, 4]")) << message;
  }
}

bool exhausted = false;
PFN_vkAllocateMemory real_allocate = nullptr;
VKAPI_ATTR VkResult VKAPI_CALL no_memory(VkDevice device, const VkMemoryAllocateInfo* info,
                                         const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
  return exhausted ? VK_ERROR_OUT_OF_DEVICE_MEMORY : real_allocate(device, info, callbacks, memory);
}

/// A device without memory while `exhausted`.
vulkan::VulkanBackend exhaustible_backend() {
  exhausted = false;
  return make_backend([](vulkan::DeviceFunctions& vk) {
    real_allocate = vk.AllocateMemory;
    vk.AllocateMemory = no_memory;
  });
}

TEST_F(FailureTest, OutOfMemoryNamesTheLastOperationAndPasses) {
  vulkan::VulkanBackend device = exhaustible_backend();
  const Mirror x(full({3, 5}, 2), device), y(make({3, 5}), device);
  negate(device, x, y);
  exhausted = true;
  const std::string message = message_of<OutOfMemoryError>([&] { device.allocate(64 << 20); });
  EXPECT_NE(message.find("has no 67108864 bytes left"), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("after neg [3, 5]")) << message;
  exhausted = false;
  EXPECT_GE(device.allocate(64 << 20)->bytes(), size_t{64} << 20);
  EXPECT_EQ(y.pull().get(14), -2);
}

TEST_F(FailureTest, WithoutMemoryToPrepareKernelsTheDeviceGoesOn) {
  vulkan::VulkanBackend device = exhaustible_backend();
  const Mirror x(noise({300, 3000}, 1), device), values(make({300, 3000}), device);
  const Mirror indices(make({300, 3000}, i32), device);
  const std::vector<std::function<void()>> sorts(1, [&] { device.sort({x, values, indices}); });
  exhausted = true;
  EXPECT_FALSE(device.prepare(sorts));  // scratch memory is missing
  exhausted = false;
  const auto prepared = device.prepare(sorts);
  ASSERT_TRUE(prepared);
  prepared->run(0);
  const Array sorted = values.pull();
  for (int64_t i = 1; i < 3000; ++i) ASSERT_LE(sorted.get(i - 1), sorted.get(i));
}

using FailureDeathTest = FailureTest;

/// Ends the process with status 1 where the device is still at work.
void fail_if_busy() {
  vulkan::Recorder& recorder = dynamic_cast<vulkan::VulkanBackend&>(backend(Device::vulkan())).engine().recorder();
  if (recorder.completed() + 1 < recorder.open_batch()) std::_Exit(1);
}

TEST_F(FailureDeathTest, AProcessWaitsForTheDeviceBeforeAnythingStaticGoes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto submit_and_end = [] {
    // Numbers that no cache has seen, so that the driver must compile.
    const auto seed = static_cast<double>(std::chrono::system_clock::now().time_since_epoch().count() % 1000000);
    const Elementwise deep{"deep", [seed](Expr x) {
                             for (int i = 0; i < 100; ++i) x = sin(x * (seed + i)) + exp(x);
                             return x;
                           }};
    const uint64_t before = vulkan_counters().submits;
    Tensor x = zeros({1000}, {f32, Device::vulkan()});
    while (vulkan_counters().submits == before) x = deep(x);
    // Runs before what was registered earlier, as the parts of the driver's compiler were that the work needs.
    std::atexit(fail_if_busy);
    std::exit(0);
  };
  EXPECT_EXIT(submit_and_end(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fovea::test
