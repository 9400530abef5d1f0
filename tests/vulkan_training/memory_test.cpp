#include <malloc.h>

#include <cmath>

#include "vulkan_training/models.h"

// Memory that does not grow: over many steps of different shapes, and with the square of a sequence's length.
namespace fovea::test {
namespace {

using MemoryTest = TrainingTest;

size_t host_bytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }
size_t device_bytes() {
  const MemoryStats stats = backend(Device::vulkan()).memory();
  return stats.live + stats.cached;
}

TEST_F(MemoryTest, FiveThousandStepsOfDifferentShapesGrowNothing) {
  manual_seed(1);
  nn::Embedding embedding(30, 8);
  nn::AttentionPool attention(8);
  nn::Linear output(8, 3);
  std::vector<Tensor> parameters;
  for (nn::Module* module : std::initializer_list<nn::Module*>{&embedding, &attention, &output}) {
    module->to(Device::vulkan());
    for (const Tensor& parameter : module->parameters()) parameters.push_back(parameter);
  }
  nn::Adam optimizer(parameters, {.lr = 1e-3});
  Generator shapes{9, 0};
  const auto sizes = randint(1, 33, {2, 5000}, {i32, {}}, shapes).to_vector<int32_t>();
  size_t device = 0, host = 0;
  for (size_t step = 0; step < 5000; ++step) {
    const int64_t batch = sizes[step], time = sizes[5000 + step];
    const Tensor tokens = randint(0, 30, {batch, time}, {i32, Device::vulkan()});
    const Tensor labels = randint(0, 3, {batch}, {i32, Device::vulkan()});
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(output.forward(attention.forward(embedding.forward(tokens))), labels);
    loss.backward();
    optimizer.step();
    if (step % 100 == 99) {
      ASSERT_TRUE(std::isfinite(loss.item())) << step;
    }
    if (step == 499) {
      backend(Device::vulkan()).synchronize();
      device = device_bytes();
      host = host_bytes();
    }
  }
  backend(Device::vulkan()).synchronize();
  EXPECT_EQ(device_bytes(), device);
  // The driver's own lists breathe a little.
  EXPECT_LT(host_bytes(), host + (size_t{256} << 10));
  RecordProperty("device_bytes", std::to_string(device));
}

}  // namespace
}  // namespace fovea::test
