#include "fovea/autograd/capture.h"

#include "capture/network.h"
#include "support/device.h"
#include "support/expect.h"

// What a captured step depends on without being given it: modes, weights that are frozen or replaced, hooks, guards.
namespace fovea::test {
namespace {

TEST_P(OnEveryDevice, CaptureTellsAnArgumentFromWhatItFindsByItself) {
  const Tensor data = arange(0, 40, 1, options()).reshape({10, 4});
  const auto step = [&](const Tensor& x) { return sum(x) * 100.0 + sum(data.slice(0, 0, 2)); };
  auto replayed = capture(step);
  for (int i = 0; i < 10; ++i) {
    const Tensor x = data.slice(0, i, i + 1);
    EXPECT_EQ(replayed(x).item<float>(), step(x).item<float>());
  }
  EXPECT_EQ(replayed.stats().replays, 8u);
}

TEST_P(OnEveryDevice, CaptureRecordsAnewWhatAModuleDoesInAnotherMode) {
  nn::Dropout dropout(0.5);
  auto step = capture([&](const Tensor& x) { return dropout.forward(x); });
  const Tensor x = ones({64}, options());
  for (int i = 0; i < 4; ++i) EXPECT_NE(step(x).to_vector<float>(), std::vector<float>(64, 1));
  dropout.eval();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step(x).to_vector<float>(), std::vector<float>(64, 1));
  EXPECT_EQ(step.stats().recordings, 4u);
  dropout.train();
  for (int i = 0; i < 4; ++i) EXPECT_NE(step(x).to_vector<float>(), std::vector<float>(64, 1));
  EXPECT_EQ(step.stats().recordings, 4u) << "the plan of each mode is kept";
  EXPECT_EQ(step.stats().plans, 2u);
}

TEST_P(OnEveryDevice, CaptureKeepsItsPlanThroughAnEvaluation) {
  Network network(device());
  nn::SGD optimizer(network, {.lr = 0.1});
  const Tensor x = ones({4, 6}, options());
  auto step = capture([&](const Tensor& x) {
    optimizer.zero_grad();
    sum(square(network.forward(x))).backward();
    optimizer.step();
  });
  for (int i = 0; i < 20; ++i) {
    step(x);
    const nn::Evaluating evaluating(network);
    network.forward(x);
  }
  EXPECT_EQ(step.stats().replays, 18u);
}

TEST_P(OnEveryDevice, CaptureTakesATeacherThatIsEvaluatedWithin) {
  expect_alike([&](bool captured) {
    manual_seed(2);
    Network teacher(device()), student(device());
    nn::SGD optimizer(student, {.lr = 0.1});
    const auto step = [&](const Tensor& x) {
      const Tensor wanted = [&] {
        const nn::Evaluating evaluating(teacher);
        return teacher.forward(x);
      }();
      optimizer.zero_grad();
      const Tensor loss = mse_loss(student.forward(x), wanted);
      loss.backward();
      optimizer.step();
      return loss.detach();
    };
    auto replayed = capture(step);
    std::vector<float> losses;
    for (int i = 0; i < 10; ++i) {
      const Tensor x = full({4, 6}, i, options());
      losses.push_back((captured ? replayed(x) : step(x)).item<float>());
    }
    if (captured) {
      EXPECT_EQ(replayed.stats().replays, 8u);
    }
    EXPECT_TRUE(teacher.training());
    return losses;
  });
}

TEST_P(OnEveryDevice, CaptureFollowsWeightsThatAreFrozen) {
  expect_alike([&](bool captured) {
    manual_seed(3);
    Network network(device());
    network.eval();
    nn::SGD optimizer(network, {.lr = 0.001});
    const auto step = [&](const Tensor& x) {
      optimizer.zero_grad();
      sum(square(network.forward(x))).backward();
      optimizer.step();
    };
    auto replayed = capture(step);
    const auto times = [&](int count) {
      for (int i = 0; i < count; ++i) {
        const Tensor x = full({4, 6}, 0.1, options());
        captured ? replayed(x) : step(x);
      }
    };
    times(4);
    network.first.set_requires_grad(false);
    const Tensor before = network.first.weight.clone();
    times(4);
    EXPECT_EQ(before.to_vector<float>(), network.first.weight.to_vector<float>());
    network.first.set_requires_grad(true);
    times(4);
    EXPECT_NE(before.to_vector<float>(), network.first.weight.detach().to_vector<float>());
    if (captured) {
      EXPECT_EQ(replayed.stats().recordings, 4u) << "two for each of the two states";
    }
    return std::pair(network.first.weight.detach().to_vector<float>(),
                     network.second.weight.detach().to_vector<float>());
  });
}

TEST_P(OnEveryDevice, CaptureReplaysAStepThatFreezesAndUnfreezes) {
  Network network(device());
  auto step = capture([&](const Tensor& x) {
    network.first.set_requires_grad(false);
    network.second.zero_grad();
    sum(square(network.forward(x))).backward();
    network.first.set_requires_grad(true);
  });
  for (int i = 0; i < 6; ++i) step(ones({4, 6}, options()));
  EXPECT_FALSE(network.first.weight.grad().defined());
  EXPECT_EQ(step.stats().replays, 4u);
}

TEST_P(OnEveryDevice, CaptureHonoursHooksThatComeAndGo) {
  Tensor w = ones({3}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x).backward();
  });
  const Tensor x = full({3}, 5, options());
  const auto gradient_after = [&](int count) {
    for (int i = 0; i < count; ++i) step(x);
    return w.grad().to_vector<float>()[0];
  };
  EXPECT_EQ(gradient_after(4), 5);
  const int64_t key = w.register_hook([](const Tensor& g) { return g * 2.0; });
  EXPECT_EQ(gradient_after(4), 10);
  w.remove_hook(key);
  EXPECT_EQ(gradient_after(4), 5);
  EXPECT_EQ(step.stats().recordings, 4u);
}

TEST_P(OnEveryDevice, CaptureSeesTwoChangesOfOneLeafAtOnce) {
  Tensor w = ones({2}, options()).set_requires_grad(), v = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    v.zero_grad();
    sum(w * x + v * x).backward();
  });
  for (int i = 0; i < 4; ++i) step(full({2}, i, options()));
  ASSERT_TRUE(w.grad().defined());
  w.register_hook([](const Tensor& g) { return g * 2.0; });
  w.set_requires_grad(false);
  step(full({2}, 5, options()));
  EXPECT_FALSE(w.grad().defined());
  EXPECT_EQ(v.grad().to_vector<float>(), std::vector<float>(2, 5));
  w.set_requires_grad();
  step(full({2}, 6, options()));
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(2, 12));
}

TEST_P(OnEveryDevice, CaptureTellsHooksOfAnArgumentApart) {
  auto step = capture([](const Tensor& x) { sum(x * 3.0).backward(); });
  Tensor x = ones({2}, options()).set_requires_grad();
  const int64_t first = x.register_hook([](const Tensor& g) { return g * 10.0; });
  x.register_hook([](const Tensor& g) { return g + 1.0; });
  const auto gradient_after = [&](int count) {
    for (int i = 0; i < count; ++i) {
      x.zero_grad();
      step(x);
    }
    return x.grad().to_vector<float>()[0];
  };
  EXPECT_EQ(gradient_after(4), 31);
  x.remove_hook(first);
  EXPECT_EQ(gradient_after(4), 4) << "the last one stands as it did";
}

TEST_P(OnEveryDevice, CaptureSeesParametersThatAreReplaced) {
  nn::Linear layer(2, 1, {.bias = false});
  layer.to(device());
  auto step = capture([&](const Tensor& x) { return layer.forward(x); });
  const Tensor x = ones({1, 2}, options());
  for (int i = 0; i < 4; ++i) step(x);
  const std::vector<Tensor> own = layer.parameters();
  const float before = step(x).item<float>();
  layer.replace_parameters({full({1, 2}, 4, options())});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step(x).item<float>(), 8);
  layer.replace_parameters(own);
  EXPECT_EQ(step(x).item<float>(), before);
  EXPECT_EQ(step.stats().recordings, 4u);
}

TEST_P(OnEveryDevice, CaptureHasAPlanForEachPrecisionAround) {
  auto step = capture([](const Tensor& x) { return matmul(x, x); });
  const Tensor x = randn({24, 24}).to(device());
  const Tensor exact = matmul(x, x);
  const Tensor rounded = [&] {
    const Autocast half(bf16);
    return matmul(x, x);
  }();
  ASSERT_NE(exact.to_vector<float>(), rounded.to_vector<float>());
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(step(x).to_vector<float>(), exact.to_vector<float>());
    const Autocast half(bf16);
    EXPECT_EQ(step(x).to_vector<float>(), rounded.to_vector<float>());
  }
  EXPECT_EQ(step.stats().replays, 4u);
}

TEST_P(OnEveryDevice, CaptureHasAPlanForEachGradModeAround) {
  Tensor w = ones({2}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    const Tensor y = sum(w * x);
    if (y.requires_grad()) y.backward();
    return y;
  });
  const Tensor x = ones({2}, options());
  for (int i = 0; i < 4; ++i) {
    w.zero_grad();
    step(x);
    EXPECT_TRUE(w.grad().defined());
    w.zero_grad();
    const NoGrad off;
    step(x);
    EXPECT_FALSE(w.grad().defined());
  }
}

TEST(Capture, RunsAsWrittenInAnomalyMode) {
  Tensor w = ones({2}).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(sqrt(w * x)).backward();
  });
  for (int i = 0; i < 4; ++i) step(ones({2}));
  const AnomalyMode anomaly;
  EXPECT_ERROR(step(full({2}, -1)), "sqrt: NaN in its result [2] (surroundings_test.cpp:");
  step(ones({2}));
  EXPECT_EQ(step.stats().recordings + step.stats().replays, 6u) << "runs, all in all";
}

// An index that is out of range is found while the step runs; Vulkan tells of it when it is next waited for.
TEST(Capture, FailedRunsLeaveNoGradientsThatTheyWouldHaveReplaced) {
  const auto states = [](bool captured) {
    Tensor table = ones({4, 3}).set_requires_grad(), added = ones({3}).set_requires_grad();
    const auto f = [&](const Tensor& index, const Tensor& x) {
      table.zero_grad();
      sum(added * x).backward();
      const Tensor loss = sum(square(embedding(index, table)));
      loss.backward();
      return loss;
    };
    auto step = capture(f);
    std::vector<std::vector<float>> seen;
    for (int i = 0; i < 8; ++i) {
      const Tensor index = from_vector({1, i % 4 == 3 ? 7 : 2}, {2}), x = full({3}, i);
      try {
        captured ? step(index, x) : f(index, x);
      } catch (const IndexError&) {
        seen.push_back({-1});
      }
      seen.push_back(table.grad().defined() ? table.grad().to_vector<float>() : std::vector<float>());
    }
    EXPECT_EQ(step.stats().replays > 0, captured);
    return seen;
  };
  EXPECT_EQ(states(true), states(false));
}

}  // namespace
}  // namespace fovea::test
