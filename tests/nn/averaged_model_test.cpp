#include "fovea/nn/averaged_model.h"

#include <gmock/gmock.h>

#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

void add_to(nn::Module& module, double amount) {
  const NoGrad off;
  for (Tensor& p : module.parameters()) p.add_(full(p.shape(), amount, p.options()));
}

TEST_P(OnEveryDevice, AveragedModelFollowsTheParameters) {
  for (const double decay : {0.0, 0.3, 0.9, 1.0}) {
    nn::Linear layer(3, 2);
    layer.to(device());
    nn::AveragedModel averages(layer, {.decay = decay});
    std::vector<double> want;
    for (int update = 0; update < 4; ++update) {
      const std::vector<double> now = layer.weight.to_vector<double>();
      if (update == 0) want = now;
      for (size_t i = 0; i < now.size(); ++i) want[i] = decay * want[i] + (1 - decay) * now[i];
      averages.update_parameters();
      EXPECT_CLOSE(averages.parameters()[0], want, 1e-6, 1e-6) << decay;
      if (update == 3 && decay == 0) {
        EXPECT_CLOSE(averages.parameters()[0], now, 0, 0);
      }
      add_to(layer, 1);
    }
    EXPECT_EQ(averages.n_averaged(), 4);
  }
}

TEST_P(OnEveryDevice, AveragedModelStandsInForTheModel) {
  nn::Linear layer(2, 1);
  layer.to(device());
  nn::AveragedModel averages(layer, {.decay = 0.5});
  auto step = capture([&](const Tensor& x) { return layer.forward(x); });
  const Tensor x = ones({1, 2}, options());
  for (int i = 0; i < 4; ++i) step(x);
  averages.update_parameters();
  add_to(layer, 4);
  averages.update_parameters();
  const float own = step(x).item<float>();
  {
    const nn::AveragedModel::Swap swap(averages);
    EXPECT_NEAR(step(x).item<float>(), own - 6, 1e-5) << "two weights and a bias, each 2 less";
    EXPECT_NEAR(layer.forward(x).item<float>(), own - 6, 1e-5);
    EXPECT_ERROR(averages.update_parameters(), "AveragedModel: an update while the model computes with the averages");
    EXPECT_ERROR(nn::AveragedModel::Swap(averages),
                 "AveragedModel: the model computes with the averages already (averaged_model_test.cpp:");
  }
  EXPECT_EQ(step(x).item<float>(), own);
  averages.copy_to_model();
  EXPECT_NEAR(step(x).item<float>(), own - 6, 1e-5);
}

TEST_P(OnEveryDevice, AveragedModelUpdatesInEachRunOfACapturedStep) {
  const auto trained = [&](bool captured) {
    manual_seed(1);
    nn::Linear layer(2, 1);
    layer.to(device());
    nn::SGD optimizer(layer, {.lr = 0.1});
    nn::AveragedModel averages(layer, {.decay = 0.8});
    const auto step = [&](const Tensor& x) {
      optimizer.zero_grad();
      sum(square(layer.forward(x))).backward();
      optimizer.step();
      averages.update_parameters();
    };
    auto replayed = capture(step);
    for (int i = 0; i < 6; ++i) {
      const Tensor x = full({3, 2}, i, options());
      captured ? replayed(x) : step(x);
    }
    EXPECT_EQ(averages.n_averaged(), 6);
    return averages.parameters()[0].to_vector<float>();
  };
  EXPECT_EQ(trained(true), trained(false));
}

TEST(AveragedModel, HoldsTheAveragesWhileTheModelComputesWithThem) {
  nn::Linear layer(2, 1);
  nn::AveragedModel averages(layer, {.decay = 0.5});
  averages.update_parameters();
  add_to(layer, 4);
  averages.update_parameters();
  const std::vector<float> own = layer.weight.to_vector<float>(), mean = averages.parameters()[0].to_vector<float>();
  EXPECT_NE(own, mean);
  {
    const nn::AveragedModel::Swap swap(averages);
    EXPECT_EQ(layer.weight.to_vector<float>(), mean);
    EXPECT_EQ(averages.parameters()[0].to_vector<float>(), mean);
    EXPECT_EQ(averages.state_dict().at("module.weight").to_vector<float>(), mean);
    averages.load_state_dict(averages.state_dict());
  }
  EXPECT_EQ(layer.weight.to_vector<float>(), own);
  EXPECT_EQ(averages.parameters()[0].to_vector<float>(), mean);
  averages.update_parameters();
  EXPECT_EQ(averages.n_averaged(), 3);
}

TEST(AveragedModel, OfADecayOfZeroIsTheModelHoweverFarItMoves) {
  nn::Linear layer(1, 1);
  nn::AveragedModel averages(layer, {.decay = 0});
  for (const double value : {1e8, 0.1}) {
    const NoGrad off;
    layer.weight.fill_(value);
    averages.update_parameters();
  }
  EXPECT_CLOSE(averages.parameters()[0], layer.weight.detach(), 0, 0);
}

TEST(AveragedModel, GoesOnFromItsState) {
  nn::Linear layer(2, 1), other(2, 1);
  nn::AveragedModel averages(layer), again(other);
  averages.update_parameters();
  add_to(layer, 1);
  averages.update_parameters();
  const nn::StateDict state = averages.state_dict();
  EXPECT_EQ(state.size(), 3u);
  EXPECT_TRUE(state.contains("module.weight") && state.contains("module.bias") && state.contains("n_averaged"));
  again.load_state_dict(state);
  EXPECT_EQ(again.n_averaged(), 2);
  EXPECT_CLOSE(again.parameters()[0], averages.parameters()[0], 0, 0);
  nn::StateDict wrong = state;
  wrong.erase("module.bias");
  wrong["module.weight"] = zeros({2, 2});
  EXPECT_ERROR(
      again.load_state_dict(wrong),
      "load_state_dict: the state does not fit the averages: module.weight is [2, 2], not [1, 2]; module.bias is "
      "missing");
}

TEST(AveragedModel, RefusesWhatItCannotAverage) {
  nn::Linear layer(2, 1);
  EXPECT_ERROR(nn::AveragedModel(layer, {.decay = 1.5}), "AveragedModel: decay 1.5 is outside [0, 1]");
  nn::AveragedModel averages(layer);
  layer.to(bf16);
  EXPECT_ERROR(averages.update_parameters(), "AveragedModel: \"weight\" was converted or moved");
}

TEST(AveragedModel, AveragesBuffersWhereAsked) {
  nn::BatchNorm1d norm(2);
  nn::AveragedModel averages(norm, {.decay = 0.5, .use_buffers = true});
  averages.update_parameters();
  norm.forward(full({4, 2}, 3));
  averages.update_parameters();
  const double half = norm.running_mean.to_vector<double>()[0] / 2;
  EXPECT_NE(half, 0);
  EXPECT_CLOSE(averages.state_dict().at("module.running_mean"), {half, half});
  EXPECT_EQ(averages.parameters().size(), 2u);
  EXPECT_FALSE(nn::AveragedModel(norm).state_dict().contains("module.running_mean"));
}

}  // namespace
}  // namespace fovea::test
