// What every row of the tables of layers must hold; the rows stand in the files beside this one.
#include "support/layer_table.h"

#include "fovea/autograd/backward.h"
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

/// Outputs, and the gradients of a random sum of them by inputs and parameters, on the host.
std::vector<Tensor> results_on(Device device, nn::Module& module, const LayerRow& row) {
  module.to(device);
  Inputs inputs;
  std::vector<Tensor> leaves;
  for (const Tensor& x : row.inputs) {
    Tensor own = x.detach().to(device).clone();
    if (is_floating(x.dtype())) leaves.push_back(own.set_requires_grad());
    inputs.push_back(own);
  }
  for (const Tensor& p : module.parameters()) leaves.push_back(p);
  std::vector<Tensor> results, outputs, weights;
  for (const Tensor& y : row.forward(module, inputs)) {
    results.push_back(y.detach().to(Device::cpu()));
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    weights.push_back(random(y.shape(), {}, 77).to(device));
  }
  if (outputs.empty()) return results;
  for (const Tensor& g : autograd::grad(outputs, leaves, weights)) {
    results.push_back(g.defined() ? g.to(Device::cpu()) : g);
  }
  return results;
}

TEST_P(Layer, IsTheSameOnVulkan) {
  if (const std::string reason = obstacle(Device::vulkan()); !reason.empty()) GTEST_SKIP() << "skipped: " << reason;
  const std::vector<Tensor> want = results_on(Device::cpu(), *made(), GetParam());
  const std::vector<Tensor> got = results_on(Device::vulkan(), *made(), GetParam());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_CLOSE(got[i], want[i], 2e-4, 2e-5) << "result " << i;
}

}  // namespace
}  // namespace fovea::test
