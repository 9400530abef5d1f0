// Graphs of any size, their memory, and passes in several threads.
#include <chrono>
#include <thread>

#include "fovea/autograd/backward.h"
#include "fovea/autograd/matmul.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/tensor/creation.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

using autograd::backward;
using autograd::grad;

TEST(Graph, HoldsAMillionNodesInBoundedStackAndTime) {
  const auto start = std::chrono::steady_clock::now();
  // A thread's stack is smaller than the main thread's: recursion over the chain would not fit.
  std::thread worker([] {
    const Tensor x = tensor({1}).set_requires_grad();
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1e-6;
    y.backward();
    EXPECT_CLOSE(x.grad(), {1});
    Tensor z = x;
    for (int i = 0; i < 1'000'000; ++i) z = z * 1.0;
    z = {};  // freed without a pass
  });
  worker.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 60);
}

TEST(Graph, IsFreedAsThePassGoes) {
  Backend& cpu = backend(Device::cpu());
  const size_t before = cpu.memory().live;
  constexpr int64_t n = 1 << 16;
  constexpr int steps = 64;
  constexpr size_t size = n * sizeof(float);
  {
    const Tensor x = ones({n}).set_requires_grad();
    Tensor y = x;
    for (int i = 0; i < steps; ++i) y = sin(y);
    const Tensor loss = sum(y);
    y = {};
    EXPECT_GE(cpu.memory().live, before + steps * size) << "each step keeps its input";
    size_t at_the_end = 0;
    x.register_hook([&](const Tensor&) {
      at_the_end = cpu.memory().live - before;
      return Tensor();
    });
    loss.backward();
    EXPECT_LE(at_the_end, 5 * size) << "when the last gradient arrives, what was saved on its way is gone";
    EXPECT_LE(cpu.memory().live, before + 3 * size) << "x, its gradient and the loss are left";
  }
  EXPECT_EQ(cpu.memory().live, before);
}

TEST(Graph, AddsUpGradientsOfStepsInTimeThatGrowsWithTheSteps) {
  // A gradient as large as x for each step would move 512 GiB.
  const auto start = std::chrono::steady_clock::now();
  constexpr int64_t steps = 4096, n = 4096;
  const Tensor x = ones({steps, n}).set_requires_grad(), y = x * 1.0;
  Tensor loss = zeros({n});
  for (int64_t t = 0; t < steps; ++t) loss = loss + y.select(0, t) * x.select(0, t);
  sum(loss).backward();
  EXPECT_CLOSE(mean(x.grad()), {2});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 20);
}

TEST(Graph, DiesWithItsLastHandle) {
  Backend& cpu = backend(Device::cpu());
  const size_t before = cpu.memory().live;
  {
    const Tensor x = ones({1024}).set_requires_grad();
    const Tensor y = sum(matmul((exp(x) * tanh(x)).reshape({32, 32}), x.reshape({32, 32})));
    const std::vector<Tensor> first = grad({y}, {x}, {}, {.create_graph = true});
    EXPECT_TRUE(first[0].requires_grad());
  }
  EXPECT_EQ(cpu.memory().live, before) << "recorded passes make no cycles";
}

TEST(Graph, TakesMoreThan64Inputs) {
  std::vector<Tensor> parts;
  for (int i = 0; i < 150; ++i) {
    Tensor part = full({1}, i, {f64});
    if (i % 3 == 0) part.set_requires_grad();
    parts.push_back(part);
  }
  const Tensor joined = concat(parts);
  sum(joined * arange(0, 150, 1, {f64})).backward();
  for (int i = 0; i < 150; ++i) {
    if (i % 3 == 0) {
      EXPECT_CLOSE(parts[static_cast<size_t>(i)].grad(), {static_cast<double>(i)});
    } else {
      EXPECT_FALSE(parts[static_cast<size_t>(i)].grad().defined());
    }
  }
  std::vector<Tensor> inner;
  const Tensor x = tensor({1, 2}, {f64}).set_requires_grad();
  for (int i = 0; i < 100; ++i) inner.push_back(i == 70 ? x * x : tensor({0, 0}, {f64}));
  sum(stack(inner) * 2.0).backward();
  EXPECT_CLOSE(x.grad(), {4, 8});
}

TEST(Graph, BelongsToNoThread) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  Tensor y;
  std::thread forward([&] {
    const NoGrad off;  // of this thread alone
    std::thread inner([&] { y = sum(x * x); });
    inner.join();
  });
  forward.join();
  ASSERT_TRUE(y.requires_grad());
  std::thread([&] { y.backward(); }).join();
  EXPECT_CLOSE(x.grad(), {2, 4});
}

TEST(Graph, RunsInManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  const Tensor weight = test::random({16, 16});  // shared, without a gradient
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const Tensor x = full({4, 16}, t + 1).set_requires_grad();
        sum(square(matmul(x, weight))).backward();
        ASSERT_TRUE(test::close(x.grad(), 2.0 * matmul(matmul(x.detach(), weight), weight.mT()), 1e-4, 1e-3));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Graph, AddsUpWhatManyThreadsGiveOneLeaf) {
  const Tensor w = zeros({3}).set_requires_grad();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) sum(w * 1.0).backward();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_CLOSE(w.grad(), {800, 800, 800});
}

TEST(Graph, SurvivesAnErrorInThePass) {
  const Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = x * x;
  int calls = 0;
  const int64_t key = y.register_hook([&](const Tensor&) -> Tensor {
    ++calls;
    throw ValueError("from a hook");
  });
  const Tensor z = sum(y);
  EXPECT_ERROR(backward({z}, {}, {.retain_graph = true}), "from a hook");
  EXPECT_TRUE(grad_enabled());
  y.remove_hook(key);
  z.backward();
  EXPECT_EQ(calls, 1);
  EXPECT_CLOSE(x.grad(), {2, 4});
}

}  // namespace
}  // namespace fovea
