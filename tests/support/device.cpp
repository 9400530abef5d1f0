#include "support/device.h"

#include "fovea/autograd/backward.h"
#include "fovea/autograd/indexing.h"
#include "fovea/autograd/losses.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/tensor/creation.h"
#include "support/layouts.h"

namespace fovea::test {
namespace {

/// Calls each of the kernels that every backend must have. Throws DeviceError where one is missing.
void call_every_kernel(Device device) {
  const Tensor x = rand({2, 2}, {f32, device}) + 1.0;
  const Tensor index = zeros({2}, {i32, device});
  matmul(x, x);
  softmax(x, -1);
  layer_norm(x);
  cross_entropy(x, index);
  embedding(index, x);
  embedding_bag(index, x, index);
  scatter_add(x, 0, zeros({2, 2}, {i32, device}), x);
  cumsum(x, -1);
  argmax(x);
  sort(x);
}

std::string find_obstacle(Device device) {
  try {
    backend(device);
    call_every_kernel(device);
    return {};
  } catch (const DeviceError& error) {
    return error.what();
  }
}

}  // namespace

const std::string& obstacle(Device device) {
  static const std::string cpu = find_obstacle(Device::cpu()), vulkan = find_obstacle(Device::vulkan());
  return device == Device::cpu() ? cpu : vulkan;
}

std::vector<Tensor> results_on(Device device,
                               const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
                               const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters) {
  std::vector<Tensor> own, leaves, results, outputs, weights;
  for (const Tensor& x : inputs) {
    Tensor there = (is_floating(x.dtype()) ? x.detach().to(f32) : x).to(device).clone();
    if (is_floating(x.dtype())) leaves.push_back(there.set_requires_grad());
    own.push_back(there);
  }
  leaves.insert(leaves.end(), parameters.begin(), parameters.end());
  for (const Tensor& y : function(own)) {
    results.push_back(y.detach().to(Device::cpu()));
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    weights.push_back(random(y.shape(), {}, 77).to(y.dtype()).to(y.device()));
  }
  if (outputs.empty()) return results;
  for (const Tensor& g : autograd::grad(outputs, leaves, weights)) {
    results.push_back(g.defined() ? g.to(Device::cpu()) : g);
  }
  return results;
}

void OnEveryDevice::SetUp() {
  if (const std::string& reason = obstacle(device()); !reason.empty()) GTEST_SKIP() << "skipped: " << reason;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OnEveryDevice);
INSTANTIATE_TEST_SUITE_P(EveryDevice, OnEveryDevice, ::testing::Values(Device::cpu(), Device::vulkan()),
                         [](const ::testing::TestParamInfo<Device>& info) {
                           return std::string(info.param.kind == Device::Kind::cpu ? "cpu" : "vulkan");
                         });

}  // namespace fovea::test
