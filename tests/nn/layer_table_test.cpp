// What every row of the tables of layers must hold; the rows stand in the files beside this one.
#include "support/layer_table.h"

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

Inputs converted(const Inputs& inputs, DType dtype) {
  Inputs out;
  for (const Tensor& x : inputs) out.push_back(is_floating(x.dtype()) ? x.to(dtype) : x);
  return out;
}

TEST_P(Layer, EqualsADirectComputation) {
  const auto module = made();
  module->to(f64);
  const Known known(module->state_dict());
  const Inputs inputs = converted(GetParam().inputs, f64);
  std::vector<Numbers> numbers;
  for (const Tensor& x : inputs) numbers.emplace_back(x);
  const std::vector<Numbers> want = GetParam().direct(known, numbers);
  const Outputs got = GetParam().forward(*module, inputs);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].shape(), want[i].shape) << "output " << i;
    EXPECT_CLOSE(got[i].detach(), want[i].values) << "output " << i;
  }
}

TEST_P(Layer, HasItsDerivatives) {
  const auto module = made();
  EXPECT_TRUE(layer_gradients_hold(*module, GetParam().inputs, [&](const Inputs& x) {
    Outputs floating;
    for (const Tensor& y : GetParam().forward(*module, x)) {
      if (is_floating(y.dtype())) floating.push_back(y);
    }
    return floating;
  }));
}

TEST_P(Layer, IsTheSameOnVulkan) {
  if (const std::string reason = obstacle(Device::vulkan()); !reason.empty()) GTEST_SKIP() << "skipped: " << reason;
  const auto on = [&](Device device) {
    const auto module = made();
    module->to(device);
    const auto forward = [&](const Inputs& x) { return GetParam().forward(*module, x); };
    return results_on(device, forward, GetParam().inputs, module->parameters());
  };
  const std::vector<Tensor> want = on(Device::cpu()), got = on(Device::vulkan());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_CLOSE(got[i], want[i], 2e-4, 2e-5) << "result " << i;
}

}  // namespace
}  // namespace fovea::test
