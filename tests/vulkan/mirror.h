#pragma once

#include <gtest/gtest.h>

#include "backends/array.h"
#include "fovea/backends/vulkan.h"

/// For the tests of Vulkan's kernels: the same call is made on arrays of the CPU and on their copies on the device.
namespace fovea::test {

/// The first Vulkan device; the tests that derive from VulkanTest are skipped where there is none.
inline Backend& gpu() { return backend(Device::vulkan()); }

inline std::string no_device() {
  const VulkanDevices list = list_vulkan_devices();
  for (const VulkanDevice& device : list.devices) {
    if (device.index == 0) return {};
  }
  return list.problem.empty() ? "no fit Vulkan device" : list.problem;
}

class VulkanTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = no_device(); !reason.empty()) GTEST_SKIP() << "SKIPPED: " << reason;
  }
  void TearDown() override {
    for (const std::string& message : vulkan_validation_messages()) ADD_FAILURE() << message;
  }
};

/// A copy of an array's whole memory on the device, seen through the same view.
struct Mirror {
  BufferRef buffer;
  View view;

  explicit Mirror(const Array& array, Backend& device = gpu()) : view(array.view) {
    const size_t bytes = array.buffer->bytes();
    buffer = device.allocate(bytes);
    view.buffer = buffer.get();
    if (bytes) device.write(*buffer, 0, array.buffer->host(), bytes);
  }
  operator const View&() const { return view; }
  const View* operator&() const { return &view; }  // NOLINT: as Array's

  /// The memory as it is now, as an array of the CPU.
  Array pull() const {
    Array array{cpu().allocate(buffer->bytes()), view};
    array.view.buffer = array.buffer.get();
    buffer->backend().read(*buffer, 0, array.buffer->host(), buffer->bytes());
    return array;
  }
};

/// The device's values against the CPU's; `within` is relative above 1.
inline void expect_same(const Mirror& got, const Array& want, double within) {
  expect_close(got.pull().values(), want.values(), within);
}

}  // namespace fovea::test
