#include "fovea/autograd/capture.h"

#include "capture/allocations.h"
#include "fovea/backends/recording.h"
#include "fovea/fovea.h"
#include "support/device.h"
#include "support/expect.h"

// What a captured step promises: the bits of the step as written, and a clear word where it cannot keep that.
namespace fovea::test {
namespace {

/// Two layers with dropout between them, trained on batches that change.
struct Network : nn::Module {
  nn::Linear first{6, 16};
  nn::Dropout dropout{0.4};
  nn::Linear second{16, 3};

  explicit Network(Device device) {
    add("first", first);
    add("dropout", dropout);
    add("second", second);
    to(device);
  }
  Tensor forward(const Tensor& x) const { return second.forward(dropout.forward(gelu(first.forward(x)))); }
};

struct Trained {
  std::vector<float> losses;
  std::vector<std::vector<float>> weights;
  uint64_t random = 0;
  friend bool operator==(const Trained&, const Trained&) = default;
};

template <class Optimizer>
Trained train(Device device, bool captured, Optimizer make, const std::vector<int64_t>& batches, double clip = 0) {
  manual_seed(4);
  Network network(device);
  auto optimizer = make(network);
  const auto step = [&](const Tensor& x, const Tensor& y) {
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(network.forward(x), y);
    loss.backward();
    if (clip > 0) nn::clip_grad_norm(network.parameters(), clip);
    optimizer.step();
    return loss.detach();
  };
  auto replayed = capture(step);
  Generator data{8, 0};
  std::vector<Tensor> losses;
  for (size_t i = 0; i < batches.size(); ++i) {
    optimizer.set_lr(0.05 / static_cast<double>(i + 1));
    const Tensor x = randn({batches[i], 6}, {}, data).to(device);
    const Tensor y = randint(0, 3, {batches[i]}, {.dtype = i32}, data).to(device);
    losses.push_back(captured ? replayed(x, y) : step(x, y));
  }
  Trained result;
  for (const Tensor& loss : losses) result.losses.push_back(loss.item<float>());
  for (const Tensor& p : network.parameters()) result.weights.push_back(p.to_vector<float>());
  result.random = default_generator().offset;
  return result;
}

TEST_P(OnEveryDevice, CaptureGivesTheBitsOfTheStepAsWritten) {
  const std::vector<int64_t> batches(30, 5);
  const auto adam = [](nn::Module& m) { return nn::AdamW(m, {.lr = 0.05}); };
  const auto sgd = [](nn::Module& m) { return nn::SGD(m, {.lr = 0.05, .momentum = 0.9}); };
  EXPECT_EQ(train(device(), true, adam, batches), train(device(), false, adam, batches));
  EXPECT_EQ(train(device(), true, sgd, batches, 0.1), train(device(), false, sgd, batches, 0.1));
}

TEST_P(OnEveryDevice, CaptureKeepsAPlanForEachShape) {
  std::vector<int64_t> batches;
  for (int i = 0; i < 40; ++i) batches.push_back(2 + i * 7 % 3);
  const auto adam = [](nn::Module& m) { return nn::Adam(m, {.lr = 0.05}); };
  EXPECT_EQ(train(device(), true, adam, batches), train(device(), false, adam, batches));
}

TEST_P(OnEveryDevice, CaptureForgetsTheShapeThatWasNotUsedForLongest) {
  const Tensor w = randn({4}).to(device());
  int runs = 0;
  auto step = capture(
      [&](const Tensor& x) {
        ++runs;
        return x * w + w;
      },
      {.most_shapes = 2});
  const auto times = [&](int64_t rows, int count) {
    const int before = runs;
    for (int i = 0; i < count; ++i) step(ones({rows, 4}, {f32, device()}));
    return runs - before;
  };
  EXPECT_EQ(times(1, 5), 2);
  EXPECT_EQ(times(2, 5), 2);
  EXPECT_EQ(times(1, 5), 0);
  EXPECT_EQ(times(3, 5), 2);
  EXPECT_EQ(times(2, 5), 2);
  EXPECT_EQ(step.stats().plans, 2u);
}

TEST_P(OnEveryDevice, CaptureResultsAreNewAndArgumentsMayBeViews) {
  auto step = capture([](const Tensor& x) { return std::array{x + 1.0, sum(x, 0)}; });
  const Tensor all = arange(0, 24, 1, {f32, device()}).reshape({6, 4});
  std::vector<std::array<Tensor, 2>> results;
  for (int i = 0; i < 5; ++i) results.push_back(step(all.slice(0, i, i + 2)));
  for (int i = 0; i < 5; ++i) {
    const Tensor x = all.slice(0, i, i + 2);
    EXPECT_EQ(results[i][0].to_vector<float>(), (x + 1.0).to_vector<float>());
    EXPECT_EQ(results[i][1].to_vector<float>(), sum(x, 0).to_vector<float>());
  }
  EXPECT_EQ(step.stats().replays, 3u);
}

TEST_P(OnEveryDevice, CaptureMergesElementwiseNeighboursAndDropsWhatNothingReads) {
  auto step = capture([](const Tensor& x) {
    const Tensor unused = exp(x);
    return tanh(x * 2.0 + 1.0) * x;
  });
  const Tensor x = randn({7, 5}).to(device());
  const Tensor expected = tanh(x * 2.0 + 1.0) * x;
  Tensor last;
  for (int i = 0; i < 4; ++i) last = step(x);
  EXPECT_EQ(last.to_vector<float>(), expected.to_vector<float>());
  EXPECT_EQ(step.stats().dropped, 1u);
  EXPECT_EQ(step.stats().kernels, 1u) << "multiplication, addition, tanh, multiplication and the result's copy";
  EXPECT_EQ(step.stats().bytes, 0u);
}

TEST_P(OnEveryDevice, CaptureGradientsAreThereAfterEachStep) {
  Tensor w = ones({3}, {f32, device()}).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(w * x).backward();
  });
  for (int i = 0; i < 5; ++i) {
    step(full({3}, i, {f32, device()}));
    EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(3, static_cast<float>(i)));
  }
}

TEST_P(OnEveryDevice, CaptureCopiesNoGradient) {
  Tensor w = ones({64, 64}, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) {
    w.zero_grad();
    sum(matmul(x, w) * matmul(x, w)).backward();  // two gradients that are added up in place
  });
  const Tensor x = ones({2, 64}, options());
  for (int i = 0; i < 4; ++i) step(x);
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(64 * 64, 2 * 2 * 64));
  EXPECT_LT(step.stats().bytes, 2 * 64 * 64 * sizeof(float)) << "one gradient at most lies beside the one that stays";
}

TEST_P(OnEveryDevice, CaptureAddsToGradientsThatAreNotZeroed) {
  const auto sums = [&](bool captured) {
    Tensor w = ones({3}, {f32, device()}).set_requires_grad();
    const auto step = [&](const Tensor& x) { sum(w * x).backward(); };
    auto replayed = capture(step);
    for (int i = 0; i < 6; ++i) {
      const Tensor x = full({3}, i, {f32, device()});
      captured ? replayed(x) : step(x);
    }
    return w.grad().to_vector<float>();
  };
  EXPECT_EQ(sums(true), sums(false));
}

TEST_P(OnEveryDevice, CaptureSparseGradientsFollowTheirIndices) {
  const auto trained = [&](bool captured) {
    manual_seed(1);
    nn::EmbeddingBag bag(50, 4, {.sparse = true});
    bag.to(device());
    nn::SGD optimizer(bag, {.lr = 0.5});
    const auto step = [&](const Tensor& tokens) {
      optimizer.zero_grad();
      const Tensor loss = sum(square(bag.forward(tokens)));
      loss.backward();
      optimizer.step();
    };
    auto replayed = capture(step);
    for (int i = 0; i < 8; ++i) {
      const Tensor tokens = randint(0, 2 + 6 * i, {3, 5}).to(device());
      captured ? replayed(tokens) : step(tokens);
    }
    return bag.weight.to_vector<float>();
  };
  EXPECT_EQ(trained(true), trained(false));
}

TEST(Capture, GivesBackWhatTheRecordingsLeft) {
  if (!keeps_freed_memory()) GTEST_SKIP() << "SKIPPED: this build keeps no freed memory";
  const int threads = num_threads();
  set_num_threads(1);
  Backend& device = backend(Device::cpu());
  device.empty_cache();
  const size_t elsewhere = device.memory().cached;  // in other threads' hands
  const Tensor x = ones({300, 300});
  auto step = capture([&] { return sum(exp(matmul(x, x) * 0.001)); });
  std::vector<Tensor> results{step()};
  EXPECT_GT(device.memory().cached, elsewhere);
  while (step.stats().plans == 0) results.push_back(step());
  EXPECT_EQ(device.memory().cached, elsewhere);
  set_num_threads(threads);
}

TEST(Capture, NamesTheLineThatReadsAValue) {
  const Tensor x = ones({2});
  auto step = capture([&] {
    if (sum(x).item() > 0) return x * 2.0;
    return x;
  });
  EXPECT_ERROR(step(), "item: a captured step cannot give values to the host; read them behind it (capture_test.cpp:");
  EXPECT_FALSE(is_recording());
}

TEST(Capture, NamesAKernelWhoseNumbersChange) {
  const Tensor x = ones({2});
  double factor = 1;
  auto step = capture([&] { return x * (factor *= 2); });
  for (int i = 0; i < 3; ++i) step();
  EXPECT_ERROR(step(), "capture: no two of 4 runs did the same: \"mul\" (kernel 1 of 2)");
}

TEST(Capture, RefusesAnotherGeneratorAndASecondCapture) {
  Generator own{99, 0};
  auto random = capture([&] { return rand({4}, {}, own); });
  EXPECT_ERROR(random(), "random: a captured step draws random numbers from the default generator alone");
  auto inner = capture([&] { return ones({1}); });
  auto outer = capture([&] { return inner(); });
  EXPECT_ERROR(outer(), "capture: a step is being recorded already");
}

TEST(Capture, AnErrorOfTheStepPassesThroughAndNamesTheCapture) {
  const Tensor table = ones({4, 2});
  auto step = capture([&](const Tensor& index) { return embedding(index, table); });
  for (int i = 0; i < 3; ++i) step(from_vector(std::vector<int32_t>{0, 3}));
  EXPECT_EQ(step.stats().replays, 1u);
  EXPECT_ERROR(step(from_vector(std::vector<int32_t>{0, 4})),
               "gather: index 4 at position 1 is outside [0, 4) (capture_test.cpp:");
  EXPECT_EQ(step(from_vector(std::vector<int32_t>{1, 2})).to_vector<float>(), std::vector<float>(4, 1));
}

TEST(Capture, WorkOfTheHostRunsEachTime) {
  int times = 0;
  auto step = capture([&] { each_run([&] { ++times; }); });
  for (int i = 0; i < 7; ++i) step();
  EXPECT_EQ(times, 7);
}

}  // namespace
}  // namespace fovea::test
