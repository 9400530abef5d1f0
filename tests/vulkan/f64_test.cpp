#include "fovea/fovea.h"
#include "support/expect.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using F64Test = VulkanTest;

TEST_F(F64Test, IsRefusedOnADeviceThatComputesNothingInIt) {
  const TensorOptions options{f64, Device::vulkan()};
  const auto refused = [](const char* operation) {
    return fmt::format("{}: vulkan:0 has no f64, which is for the CPU; convert with .to(f32) (f64_test.cpp:",
                       operation);
  };
  EXPECT_ERROR(empty({2}, options), refused("empty"));
  EXPECT_ERROR(zeros({2}, options), refused("zeros"));
  EXPECT_ERROR(randn({2}, options), refused("randn"));
  EXPECT_ERROR(arange(0, 3, 1, options), refused("arange"));
  EXPECT_ERROR(from_vector(std::vector<double>{1}, Device::vulkan()), refused("from_vector"));
  EXPECT_ERROR(zeros({2}, {f64}).to(Device::vulkan()), refused("to"));
  EXPECT_ERROR(zeros({2}, {f32, Device::vulkan()}).to(f64), refused("to"));
}

TEST_F(F64Test, ItsValuesCanBeCopiedIntoOthers) {
  Tensor x = zeros({2}, {f32, Device::vulkan()});
  x.copy_(from_vector(std::vector<double>{1.5, 2}));
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{1.5f, 2}));
}

}  // namespace
}  // namespace fovea::test
