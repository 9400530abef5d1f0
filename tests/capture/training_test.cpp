#include <gtest/gtest.h>

#include "capture/allocations.h"
#include "fovea/autograd/capture.h"
#include "support/device.h"
#include "workloads.h"

// The training workloads of the benchmarks, captured: the same weights bit for bit, no allocation in a steady step, and
// no more memory than planned.

namespace fovea::test {
namespace {

constexpr int part = 16;                // of the benchmarks' batches
constexpr auto ctc = "train_crnn_ctc";  // not to be captured: the host reads its targets

/// Steps that take seconds in all.
int steps_of(const std::string& workload, Device device) {
  const bool small = workload == "train_rnn_tiny" || workload == "train_mlp" || workload == "train_bag";
  if (device != Device::cpu()) return small ? 20 : 5;  // two are recorded, one prepares
  return small ? 100 : 30;
}

std::vector<std::vector<float>> trained(const bench::Workload& workload, Device device, bool captured, int steps) {
  manual_seed(0);
  const bench::Prepared prepared = workload.prepare(device);
  auto replayed = capture(prepared.step);
  for (int i = 0; i < steps; ++i) captured ? replayed() : prepared.step();
  std::vector<std::vector<float>> weights;
  for (const Tensor& weight : prepared.weights) weights.push_back(weight.to_vector<float>());
  return weights;
}

TEST(CapturedTraining, EndsWithTheSameWeightsBitForBit) {
  for (const bench::Workload& workload : bench::model_workloads(part)) {
    if (!workload.name.starts_with("train_")) continue;
    const int steps = steps_of(workload.name, {});
    EXPECT_TRUE(trained(workload, {}, true, steps) == trained(workload, {}, false, steps)) << workload.name;
  }
}

TEST(CapturedTraining, OfMoreModelsEndsWithTheSameWeightsBitForBit) {
  for (const bench::Workload& workload : bench::more_model_workloads(part)) {
    if (!workload.name.starts_with("train_") || workload.name == ctc) continue;
    EXPECT_TRUE(trained(workload, {}, true, 4) == trained(workload, {}, false, 4)) << workload.name;
  }
}

TEST(MoreModels, ThatDoNotTrainOrCannotBeCapturedGiveFiniteNumbers) {
  for (const bench::Workload& workload : bench::more_model_workloads(part)) {
    if (!workload.name.starts_with("infer_") && workload.name != ctc) continue;
    manual_seed(0);
    const std::function<Tensor()> step = workload.prepare({}).step;
    step();
    EXPECT_TRUE(all(isfinite(step())).item<bool>()) << workload.name;
  }
}

TEST(CapturedTraining, EndsWithTheSameWeightsOnVulkan) {
  if (list_vulkan_devices().devices.empty()) GTEST_SKIP() << "SKIPPED: no Vulkan device";
  for (const bench::Workload& workload : bench::model_workloads(part)) {
    if (!workload.name.starts_with("train_")) continue;
    const Device device = Device::vulkan();
    const int steps = steps_of(workload.name, device);
    EXPECT_TRUE(trained(workload, device, true, steps) == trained(workload, device, false, steps)) << workload.name;
  }
}

TEST(CapturedTraining, ASteadyStepAllocatesNothingAndStaysWithinItsPlan) {
  if (!keeps_freed_memory()) GTEST_SKIP() << "SKIPPED: this build keeps no freed memory";
  // Which thread's cache a block of memory comes from depends on who was first, so one thread works.
  const int threads = num_threads();
  set_num_threads(1);
  for (const bench::Workload& workload : bench::model_workloads(part)) {
    if (!workload.name.starts_with("train_")) continue;
    SCOPED_TRACE(workload.name);
    manual_seed(0);
    const bench::Prepared prepared = workload.prepare({});
    auto step = capture(prepared.step);
    for (int i = 0; i < 5; ++i) step();
    const size_t held = backend({}).memory().live;
    const uint64_t misses = backend({}).memory().misses;
    const size_t allocations = count_allocations([&] {
      for (int i = 0; i < 3; ++i) step();
    });
    EXPECT_EQ(allocations, 0u);
    EXPECT_EQ(backend({}).memory().misses, misses);
    EXPECT_EQ(backend({}).memory().live, held);
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace fovea::test
