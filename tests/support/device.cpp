#include "support/device.h"

namespace fovea::test {

bool available(Device device, std::string* reason) {
  try {
    backend(device);
    return true;
  } catch (const DeviceError& error) {
    if (reason) *reason = error.what();
    return false;
  }
}

void OnEveryDevice::SetUp() {
  std::string reason;
  if (!available(device(), &reason)) GTEST_SKIP() << "skipped: " << reason;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OnEveryDevice);
INSTANTIATE_TEST_SUITE_P(EveryDevice, OnEveryDevice, ::testing::Values(Device::cpu(), Device::vulkan()),
                         [](const ::testing::TestParamInfo<Device>& info) {
                           return std::string(info.param.kind == Device::Kind::cpu ? "cpu" : "vulkan");
                         });

}  // namespace fovea::test
