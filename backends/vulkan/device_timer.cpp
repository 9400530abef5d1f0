#include "fovea/backends/vulkan/device_timer.h"

#include <chrono>

namespace fovea::vulkan {

DeviceTimer::DeviceTimer(Engine& engine) : engine_(engine) {
  if (engine.physical().timestamp_bits == 0) return;
  auto info = structure<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = 2;
  check(engine.device().vk().CreateQueryPool(engine.device().handle(), &info, nullptr, &times_), "making a query pool");
}

DeviceTimer::~DeviceTimer() {
  if (times_) engine_.device().vk().DestroyQueryPool(engine_.device().handle(), times_, nullptr);
}

double DeviceTimer::seconds(const std::function<void()>& record) {
  Recorder& recorder = engine_.recorder();
  const auto finish = [&] { recorder.wait(recorder.open_batch()); };
  finish();
  const auto before = std::chrono::steady_clock::now();
  if (times_) recorder.mark(times_, 0);
  record();
  if (times_) recorder.mark(times_, 1);
  finish();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - before;
  if (!times_) return elapsed.count();
  uint64_t ticks[2];
  check(engine_.device().vk().GetQueryPoolResults(engine_.device().handle(), times_, 0, 2, sizeof ticks, ticks,
                                                  sizeof ticks[0], VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
        "reading the clock");
  return engine_.physical().seconds_between(ticks[0], ticks[1]);
}

}  // namespace fovea::vulkan
