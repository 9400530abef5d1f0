#include "host_cost.h"
#include "vulkan_training/models.h"
#include "workloads.h"

// What a training step costs beside the device's own work.
namespace fovea::test {
namespace {

using CostTest = TrainingTest;

VulkanCounters since(const VulkanCounters& before) {
  const VulkanCounters now = vulkan_counters();
  return {.dispatches = now.dispatches - before.dispatches,
          .prepared = now.prepared - before.prepared,
          .barriers = now.barriers - before.barriers,
          .submits = now.submits - before.submits,
          .round_trips = now.round_trips - before.round_trips};
}

TEST_F(CostTest, AStepOfAnyWorkloadTakesAtMostTenSubmitsAndWaitsForNothing) {
  // Small batches take the same commands, and a software driver a tenth of the time.
  for (const bench::Workload& workload : bench::model_workloads(16)) {
    if (!workload.name.starts_with("train_")) continue;
    SCOPED_TRACE(workload.name);
    manual_seed(0);
    const std::function<Tensor()> step = workload.prepare(Device::vulkan()).step;
    step();
    backend(Device::vulkan()).synchronize();
    const VulkanCounters before = vulkan_counters();
    step();
    const VulkanCounters counted = since(before);
    EXPECT_LE(counted.submits, 10u);
    EXPECT_EQ(counted.round_trips, 0u);
    EXPECT_GT(counted.dispatches, 0u);
    backend(Device::vulkan()).synchronize();
  }
}

TEST_F(CostTest, OfACapturedStepTheHostRecordsNoMoreThanTheOptimizer) {
  for (const bench::Workload& workload : bench::model_workloads(16)) {
    if (workload.name != "train_gru" && workload.name != "train_rnn_tiny") continue;
    SCOPED_TRACE(workload.name);
    manual_seed(0);
    const bench::Prepared prepared = workload.prepare(Device::vulkan());
    auto step = capture(prepared.step);
    for (int i = 0; i < 4; ++i) step();
    const VulkanCounters before = vulkan_counters();
    step();
    const VulkanCounters counted = since(before);
    EXPECT_GT(counted.prepared, 2 * prepared.weights.size());
    EXPECT_LE(counted.dispatches - counted.prepared, prepared.weights.size() + 2);
    backend(Device::vulkan()).synchronize();
  }
}

TEST_F(CostTest, FiveHundredDependentOperationsCostTheHostLittleAndAreOneSubmit) {
  bench::host_cost(Device::vulkan());
  const VulkanCounters before = vulkan_counters();
  const bench::HostCost cost = bench::host_cost(Device::vulkan());
  const VulkanCounters counted = since(before);
  EXPECT_EQ(cost.value, 2 * 500 * 0.5);
  // One a round of 500, and one for the start of the first; a GPU is given the first of them while the rest is recorded.
  const bool software = list_vulkan_devices().devices.front().type == "cpu";
  EXPECT_LE(counted.submits, software ? 2u + 1 : 2 * 4u + 1);
  // Three times what a quiet machine shows: others may be at work here.
  EXPECT_LT(cost.median, 4.5);
  RecordProperty("microseconds", fmt::format("{:.2f}", cost.median));
}

TEST_F(CostTest, AStepOfARecurrentLayerIsAtMostTwoDispatches) {
  for (const RecurrentKind kind : {RecurrentKind::gru, RecurrentKind::lstm}) {
    TextClassifier model(kind, {.vocabulary = 10, .embedding = 4, .hidden = 6, .classes = 2});
    model.to(Device::vulkan());
    const auto dispatches = [&](int64_t time, bool backward) {
      const Tensor x = rand({3, time, 4}, {f32, Device::vulkan()}).set_requires_grad(backward);
      const VulkanCounters before = vulkan_counters();
      const Tensor y = sum(model.encoder->forward(x).output);
      if (backward) y.backward();
      return since(before).dispatches;
    };
    for (const bool backward : {false, true}) {
      // Where all steps are one dispatch a longer sequence takes none more.
      const uint64_t few = dispatches(8, backward), many = dispatches(24, backward);
      EXPECT_LE(many, few + 16u * 2 * (backward ? 2 : 1) * 2);  // 16 steps of two directions, at most two each
    }
  }
}

}  // namespace
}  // namespace fovea::test
