// What every row of the tables of layers must hold; the rows stand in the files beside this one.
#include "support/layer_table.h"

#include <set>

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

// How often it repeats a step the host decides.
const std::set<std::string> not_captured{"AdaptiveDepth"};

/// Outputs and gradients of four runs of a row on a device; the gradients are those of all floating outputs' squares.
std::vector<std::vector<float>> training_runs(const LayerRow& row, nn::Module& module, Device device, bool captured) {
  manual_seed(7);
  module.to(device);
  const auto step = [&](std::span<const Tensor> x) {
    for (Tensor& p : module.parameters()) p.zero_grad();
    Outputs floating;
    for (const Tensor& y : row.forward(module, {x.begin(), x.end()})) {
      if (is_floating(y.dtype())) floating.push_back(y.reshape({-1}));
    }
    const Tensor all = concat(floating, 0);
    if (all.requires_grad()) sum(square(all)).backward();
    return std::vector{all.detach()};
  };
  CapturedStep replayed(step, {}, {});
  std::vector<std::vector<float>> found;
  for (int run = 0; run < 4; ++run) {
    Inputs inputs;
    for (const Tensor& x : row.inputs) {
      inputs.push_back((is_floating(x.dtype()) ? x.to(f32) * (1 - 0.1 * run) : x).to(device));
    }
    std::vector<Tensor> results(1);
    if (captured) {
      replayed.run(inputs, results);
    } else {
      results = step(inputs);
    }
    found.push_back(results[0].to_vector<float>());
    for (const Tensor& p : module.parameters()) {
      found.push_back(p.grad().defined() ? p.grad().to_vector<float>() : std::vector<float>());
    }
  }
  EXPECT_EQ(replayed.stats().replays, captured ? 2u : 0u);
  return found;
}

TEST_P(Layer, HasTheSameBitsWhenCaptured) {
  if (not_captured.contains(GetParam().name)) GTEST_SKIP() << "skipped: the host reads values";
  for (const Device device : {Device::cpu(), Device::vulkan()}) {
    if (!obstacle(device).empty()) continue;
    const auto module = made(), again = made();
    EXPECT_EQ(training_runs(GetParam(), *again, device, true), training_runs(GetParam(), *module, device, false))
        << to_string(device);
  }
}

}  // namespace
}  // namespace fovea::test
