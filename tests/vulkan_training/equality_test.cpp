#include <numeric>

#include "vulkan_training/models.h"

// Training on a Vulkan device gives what it gives on the CPU.
namespace fovea::test {
namespace {

using EqualityTest = TrainingTest;

std::vector<std::vector<float>> weights_of(const nn::Module& model) {
  std::vector<std::vector<float>> all;
  for (const Tensor& parameter : model.parameters()) all.push_back(parameter.to_vector<float>());
  return all;
}

struct Trained {
  std::vector<std::vector<float>> initial;
  std::vector<double> losses;
};

/// 200 steps on sentences of random words, whose class is that of their first one.
Trained train(RecurrentKind kind, Device device) {
  manual_seed(3);
  TextClassifier model(kind, {.vocabulary = 40, .embedding = 12, .hidden = 10, .classes = 4, .dropout = 0.2});
  model.to(device);
  nn::Adam optimizer(model, {.lr = 5e-3});
  Trained result{weights_of(model), {}};
  std::vector<Tensor> losses;
  Generator data{11, 0};
  for (int step = 0; step < 200; ++step) {
    const Tensor tokens = randint(0, 40, {6, 7}, {i32, {}}, data);
    auto classes = tokens.select(1, 0).to_vector<int32_t>();
    for (int32_t& label : classes) label %= 4;
    const Tensor labels = from_vector(classes, {6}).to(device);
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(model.forward(tokens.to(device)), labels);
    loss.backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    optimizer.step();
    losses.push_back(loss.detach());
  }
  for (const Tensor& loss : losses) result.losses.push_back(loss.item());
  return result;
}

TEST_F(EqualityTest, TwoHundredStepsFollowTheCpu) {
  for (const RecurrentKind kind : {RecurrentKind::gru, RecurrentKind::lstm}) {
    SCOPED_TRACE(kind == RecurrentKind::gru ? "gru" : "lstm");
    const Trained here = train(kind, Device::cpu()), there = train(kind, Device::vulkan());
    EXPECT_EQ(there.initial, here.initial);
    double worst = 0;
    for (size_t i = 0; i < here.losses.size(); ++i) {
      const double difference = std::abs(there.losses[i] / here.losses[i] - 1);
      ASSERT_LT(difference, 1e-3) << "in step " << i;
      worst = std::max(worst, difference);
    }
    const auto mean = [](auto first, auto last) { return std::accumulate(first, last, 0.0) / (last - first); };
    EXPECT_LT(mean(here.losses.end() - 20, here.losses.end()), mean(here.losses.begin(), here.losses.begin() + 20));
    RecordProperty("worst_relative_difference", fmt::format("{:.2e}", worst));
  }
}

TEST_F(EqualityTest, DropoutMasksAreTheSameBits) {
  const auto mask = [](Device device) {
    manual_seed(5);
    const nn::Dropout layer(0.3);
    return layer.forward(ones({37, 53}, {f32, device})).to_vector<float>();
  };
  EXPECT_EQ(mask(Device::vulkan()), mask(Device::cpu()));
}

TEST_F(EqualityTest, AttentionDropsTheSameWeights) {
  // Queries of 0 give every key the same weight, and values of the unit matrix show which are left.
  const auto mask = [](Device device, uint64_t drawn) {
    manual_seed(5);
    default_generator().offset = drawn;
    const Tensor q = zeros({2, 2, 40, 4}, {f32, device}), k = ones({2, 2, 64, 4}, {f32, device});
    const Tensor v = eye(64, -1, {f32, device}).expand({2, 2, 64, 64}).contiguous();
    const Tensor out = scaled_dot_product_attention(q, k, v, {.dropout = 0.3});
    return gt(out, 0.0).to_vector<bool>();
  };
  const uint64_t far = uint64_t{1} << 40;
  for (const uint64_t drawn : {uint64_t{0}, far}) EXPECT_EQ(mask(Device::vulkan(), drawn), mask(Device::cpu(), drawn));
  EXPECT_NE(mask(Device::cpu(), far), mask(Device::cpu(), 0));
}

}  // namespace
}  // namespace fovea::test
