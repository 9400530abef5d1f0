#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea::test {

/// Why the device cannot be tested, or "" where it can: it is absent or lacks a kernel that every backend has.
const std::string& obstacle(Device device);

/// What `function` makes on a device of `inputs` (floating ones as f32), then the gradients of a random sum of that with
/// respect to the floating inputs and to `parameters`, which lie there already. All on the host.
std::vector<Tensor> results_on(Device device,
                               const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
                               const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters = {});

/// A test that runs once on the CPU and once on the first Vulkan device, where there is one with all kernels:
///
///     TEST_P(OnEveryDevice, AddsBroadcast) { ... zeros({2, 3}, options()) ... }
class OnEveryDevice : public ::testing::TestWithParam<Device> {
 public:
  Device device() const { return GetParam(); }
  TensorOptions options(DType dtype = f32) const { return {dtype, GetParam()}; }

 protected:
  void SetUp() override;
};

}  // namespace fovea::test
