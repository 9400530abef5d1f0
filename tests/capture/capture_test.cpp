#include "fovea/autograd/capture.h"

#include "capture/allocations.h"
#include "capture/network.h"
#include "fovea/backends/recording.h"
#include "fovea/fovea.h"
#include "support/device.h"
#include "support/expect.h"

// What a captured step promises: the bits of the step as written, and a clear word where it cannot keep that.
namespace fovea::test {
namespace {

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
    if (clip > 0) nn::clip_grad_norm_(network.parameters(), clip);
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

template <class F>
concept Capturable = requires(F f) {
  capture(f);
};

TEST(Capture, TakesFunctionsOfTensorsAlone) {
  static_assert(Capturable<Tensor (*)(const Tensor&)> && Capturable<void (*)()>);
  static_assert(Capturable<std::array<Tensor, 2> (*)(Tensor, const Tensor&)>);
  static_assert(!Capturable<Tensor (*)(const std::string&)> && !Capturable<Tensor (*)(const Tensor&, std::string)>,
                "refused as one unmet constraint, not deep in the library");
  static_assert(!Capturable<double (*)(const Tensor&)> && !Capturable<std::vector<Tensor> (*)()>);
}

TEST(Capture, NamesTheLineThatReadsAValue) {
  const Tensor x = ones({2});
  auto step = capture([&] {
    if (sum(x).item() > 0) return x * 2.0;
    return x;
  });
  EXPECT_ERROR(step(), "item: a captured step cannot give values to the host; read them behind it (capture_test.cpp:");
  auto shown = capture([&] { return sum(x) * static_cast<double>(to_string(x).size()); });
  EXPECT_ERROR(shown(), "print: a captured step cannot give values to the host; read them behind it");
  EXPECT_FALSE(is_recording());
}

TEST_P(OnEveryDevice, CaptureNamesWhatUsesASecondDevice) {
  if (device() == Device::cpu()) GTEST_SKIP() << "skipped: it is the second device";
  const Tensor x = ones({2, 2}, options()), other = ones({2, 2}), rows = tensor({0, 1}, {i32});
  const std::string where =
      fmt::format(": a step that is captured on {} uses cpu too (capture_test.cpp:", to_string(device()));
  const auto names = [&](const std::string& name, const std::function<Tensor()>& work) {
    auto step = capture([&](const Tensor& given) { return given + work().to(given.device()); });
    EXPECT_ERROR(step(x), name + where);
  };
  names("mul", [&] { return other * 2.0; });
  names("matmul", [&] { return matmul(other, other); });
  names("sum", [&] { return sum(other); });
  names("zeros", [&] { return zeros({2, 2}); });
  names("rand", [&] { return rand({2, 2}); });
  names("concat", [&] { return concat({other.slice(0, 0, 1), other.slice(0, 1, 2)}); });
  names("index_select", [&] { return index_select(other, 0, rows); });
  names("amax", [&] { return amax(other); });
  names("clone", [&] { return other.clone(); });
  names("capture", [&] { return other.mT().to(device()); });
}

TEST(Capture, NamesAKernelWhoseNumbersChange) {
  const Tensor x = ones({2});
  double factor = 1;
  auto step = capture([&] { return x * (factor *= 2); });
  for (int i = 0; i < 3; ++i) step();
  EXPECT_ERROR(step(), "capture: no two of 4 runs did the same: \"mul\" (kernel 1 of 2, capture_test.cpp:");
}

int line_of_mul = 0;

TEST(Capture, NamesTheLineOfAKernelWhoseNumbersChange) {
  double factor = 1;
  auto step = capture([&](const Tensor& x) {
    const Tensor y = exp(x);
    line_of_mul = __LINE__ + 1;
    return y * (factor *= 2);
  });
  for (int i = 0; i < 3; ++i) step(ones({2}));
  EXPECT_ERROR(step(ones({2})), fmt::format("capture: no two of 4 runs did the same: \"mul\" (kernel 2 of 3, "
                                            "capture_test.cpp:{}) is new",
                                            line_of_mul));
}

TEST_P(OnEveryDevice, CaptureNamesTheLinesWithin) {
  const Tensor w = ones({3, 2}, options());
  unsigned line = 0;
  auto wrong = capture([&](const Tensor& x) {
    line = __LINE__ + 1;
    return matmul(x, w);
  });
  const auto message = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string misfit = message([&] { wrong(ones({2, 2}, options())); });
  EXPECT_THAT(misfit, testing::HasSubstr(fmt::format("(capture_test.cpp:{})", line)));
  nn::Embedding table(4, 3);
  table.to(device());
  auto read = capture([&](const Tensor& index) {
    line = __LINE__ + 1;
    return table.forward(index) * 2.0;
  });
  for (int i = 0; i < 4; ++i) read(from_vector({0, 3}, device()));
  EXPECT_EQ(read.stats().replays, 2u);
  const std::string outside = message([&] { read(from_vector({0, 4}, device())).to_vector<float>(); });
  EXPECT_THAT(outside, testing::HasSubstr(fmt::format("(capture_test.cpp:{})", line)));
}

TEST_P(OnEveryDevice, CaptureDrawsIntegers) {
  expect_alike([&](bool captured) {
    manual_seed(6);
    const auto step = [&] { return randint(-3, 9, {7}, {.device = device()}) + 1.0; };
    auto replayed = capture(step);
    std::vector<std::vector<int32_t>> drawn;
    for (int i = 0; i < 6; ++i) drawn.push_back((captured ? replayed() : step()).to_vector<int32_t>());
    EXPECT_EQ(replayed.stats().replays, captured ? 4u : 0u);
    return drawn;
  });
  auto permuted = capture([] { return randperm(4); });
  EXPECT_ERROR(permuted(), "randperm: a captured step cannot give values to the host");
}

TEST(Capture, RefusesAnotherGenerator) {
  Generator own{99, 0};
  auto random = capture([&] { return rand({4}, {}, own); });
  EXPECT_ERROR(random(), "random: a captured step draws random numbers from the default generator alone");
}

TEST_P(OnEveryDevice, CaptureWithinACaptureIsAPartOfIt) {
  auto inner = capture([](const Tensor& x) { return matmul(matmul(x, x), x); });
  const Tensor x = full({4, 4}, 0.5, options());
  for (int i = 0; i < 4; ++i) inner(x);
  int work = 0;
  {
    auto outer = capture([&](const Tensor& y) {
      each_run([&] { ++work; });
      return inner(y) * 2.0;
    });
    for (int i = 0; i < 5; ++i) {
      const Tensor y = full({4, 4}, i, options());
      EXPECT_EQ(outer(y).to_vector<float>(), (matmul(matmul(y, y), y) * 2.0).to_vector<float>());
    }
    EXPECT_EQ(outer.stats().replays, 3u);
  }
  EXPECT_EQ(work, 5);
  EXPECT_EQ(inner(x).to_vector<float>(), matmul(matmul(x, x), x).to_vector<float>());
}

TEST(Capture, AnErrorOfTheStepPassesThroughAndNamesTheCapture) {
  const Tensor table = ones({4, 2});
  auto step = capture([&](const Tensor& index) { return embedding(index, table); });
  for (int i = 0; i < 3; ++i) step(from_vector(std::vector<int32_t>{0, 3}));
  EXPECT_EQ(step.stats().replays, 1u);
  EXPECT_ERROR(step(from_vector(std::vector<int32_t>{0, 4})),
               "embedding: index 4 at position 1 is outside [0, 4) (capture_test.cpp:");
  EXPECT_EQ(step(from_vector(std::vector<int32_t>{1, 2})).to_vector<float>(), std::vector<float>(4, 1));
}

TEST_P(OnEveryDevice, CaptureWritesIntoItsArguments) {
  auto step = capture([](Tensor x) { x.add_(ones_like(x)); });
  const Tensor all = zeros({6, 4}, options());
  for (int i = 0; i < 12; ++i) step(all.slice(1, i % 4, i % 4 + 1));
  EXPECT_EQ(all.to_vector<float>(), std::vector<float>(24, 3));
}

TEST_P(OnEveryDevice, CaptureRefusesMemoryThatIsWrittenByAnotherName) {
  Tensor state = ones({4}, options());
  auto step = capture([&](const Tensor& x) {
    const Tensor y = x * 2.0;
    state.fill_(7);
    return y + 1.0;
  });
  for (int i = 0; i < 4; ++i) step(ones({4}, options()));
  EXPECT_ERROR(step(state), "capture: argument 1 shares memory with a tensor that the step uses");
  auto writes = capture([&](Tensor x) { x.add_(state * 2.0); });  // what it finds by itself is only read
  for (int i = 0; i < 4; ++i) writes(ones({4}, options()));
  EXPECT_ERROR(writes(state), "capture: argument 1 shares memory with a tensor that the step uses");
  auto two = capture([](Tensor x, const Tensor& y) { return x.add_(y) * 1.0; });
  const Tensor x = ones({4}, options());
  EXPECT_ERROR(two(x, x), "capture: arguments 1 and 2 share memory that the step writes");
  auto both = capture([](const Tensor& x, const Tensor& y) { return x * y; });
  for (int i = 0; i < 4; ++i) EXPECT_EQ(both(x, x).to_vector<float>(), std::vector<float>(4, 1));
}

TEST_P(OnEveryDevice, CaptureCountsItsChangesInPlace) {
  Tensor state = ones({2}, options()), w = full({2}, 3, options()).set_requires_grad();
  auto step = capture([&](const Tensor& x) { state.copy_(x); });
  const Tensor x = full({2}, 5, options());
  for (int i = 0; i < 3; ++i) step(x);
  const Tensor y = sum(w * state);
  step(x);
  EXPECT_ERROR(y.backward(), "mul: ");
}

TEST_P(OnEveryDevice, CaptureDrawsTheHostsRandomNumbersAsWritten) {
  expect_alike([&](bool captured) {
    manual_seed(5);
    std::vector<std::vector<float>> drawn;
    Tensor on_the_host;
    const auto step = [&](const Tensor& x) {
      const Tensor before = x + rand({2}, options());
      each_run([&] { on_the_host = rand({2}); });
      return before * rand({2}, options());
    };
    auto replayed = capture(step);
    for (int i = 0; i < 5; ++i) {
      const Tensor x = ones({2}, options());
      drawn.push_back((captured ? replayed(x) : step(x)).to_vector<float>());
      drawn.push_back(on_the_host.to_vector<float>());
    }
    drawn.push_back(rand({2}).to_vector<float>());
    return drawn;
  });
}

TEST_P(OnEveryDevice, CaptureTellsZeroFromMinusZero) {
  static const Elementwise first{"first", [](Expr x) { return x + maximum(x, 0.0); }};
  static const Elementwise second{"second", [](Expr x) { return 1.0 / maximum(minimum(x, -0.0), -0.0); }};
  auto step = capture([](const Tensor& x) { return second(first(x)); });
  const Tensor x = full({3}, 2, options());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(step(x).to_vector<float>(), second(first(x)).to_vector<float>());
  EXPECT_EQ(step.stats().merged, 2u);
}

TEST(Capture, NamesACustomKernelWhoseNumbersChange) {
  static const CustomKernel add_number{.name = "add_number",
                                       .cpu = [](const CustomCall& call, int64_t begin, int64_t end) {
                                         for (int64_t i = begin; i < end; ++i) {
                                           call.outputs[0]->data<float>()[i] = static_cast<float>(call.numbers[0]);
                                         }
                                       }};
  double number = 0;
  auto step = capture([&] {
    Tensor out = raw::empty({2}, {});
    raw::run(add_number, {}, {&out}, 2, {++number});
    return out;
  });
  for (int i = 0; i < 3; ++i) step();
  EXPECT_ERROR(step(), "capture: no two of 4 runs did the same: \"add_number\" (kernel 1 of 2, capture_test.cpp:");
  EXPECT_ERROR(step(), "capture: no two of 5 runs did the same");
}

TEST(Capture, WorkOfTheHostRunsEachTime) {
  int times = 0;
  auto step = capture([&] { each_run([&] { ++times; }); });
  for (int i = 0; i < 7; ++i) step();
  EXPECT_EQ(times, 7);
}

}  // namespace
}  // namespace fovea::test
