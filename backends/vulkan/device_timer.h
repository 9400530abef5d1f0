#pragma once

#include <functional>

#include "fovea/backends/vulkan/engine.h"

namespace fovea::vulkan {

/// Times what a device does, by its own clock where it has one.
class DeviceTimer {
 public:
  explicit DeviceTimer(Engine& engine);
  ~DeviceTimer();
  DeviceTimer(const DeviceTimer&) = delete;
  DeviceTimer& operator=(const DeviceTimer&) = delete;

  /// How long the device takes, in seconds, for what `record` records. Waits for it.
  double seconds(const std::function<void()>& record);

 private:
  Engine& engine_;
  VkQueryPool times_ = nullptr;  // absent where the queue keeps no time
};

}  // namespace fovea::vulkan
