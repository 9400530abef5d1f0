#include "fovea/tensor/tensor.h"

#include <thread>

#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "fovea/tensor/raw.h"
#include "support/expect.h"
#include "support/layouts.h"

namespace fovea {
namespace {

TEST(Tensor, IsAHandleThatShares) {
  Tensor a = zeros({2});
  Tensor b = a;
  b.fill_(3);
  EXPECT_CLOSE(a, {3, 3});
  EXPECT_EQ(a.impl(), b.impl());
  const Tensor c = std::move(b);
  EXPECT_FALSE(b.defined());
  EXPECT_TRUE(c.defined());
  const Tensor& same = a;
  a = same;
  EXPECT_TRUE(a.defined());
}

TEST(Tensor, KnowsItsSizes) {
  const Tensor x = zeros({2, 3, 4}, {f64});
  EXPECT_EQ(x.rank(), 3);
  EXPECT_EQ(x.numel(), 24);
  EXPECT_EQ(x.size(-1), 4);
  EXPECT_EQ(x.size(0), 2);
  EXPECT_EQ(x.dtype(), f64);
  EXPECT_EQ(x.strides(), (Strides{12, 4, 1}));
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_FALSE(x.mT().is_contiguous());
  EXPECT_TRUE(x.slice(0, 1, 2).transpose(0, 1).is_contiguous()) << "an axis of size 1 lies anywhere";
}

TEST(Tensor, IsNothingUntilDefined) {
  const Tensor x;
  EXPECT_FALSE(x.defined());
  EXPECT_FALSE(x.requires_grad());
  EXPECT_TRUE(x.is_leaf());
  EXPECT_ERROR(x.shape(), "tensor: an undefined tensor is used");
  EXPECT_ERROR(x.grad(), "tensor: an undefined tensor is used");
  EXPECT_ERROR(x + 1.0, "add: an undefined tensor is used (tensor_test.cpp:");
}

TEST(Tensor, NamesWhereAnUndefinedOneIsUsed) {
  const Tensor x, y = ones({2, 2});
  EXPECT_ERROR(x.size(0), "size: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(x.shape(), "tensor: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(x.dtype(), "tensor: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(x.item(), "item: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(x.to_vector<float>(), "to_vector: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(zeros_like(x), "zeros_like: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(matmul(x, y), "matmul: an undefined tensor is used (tensor_test.cpp:");
  EXPECT_ERROR(softmax(x, -1), "softmax: an undefined tensor is used (tensor_test.cpp:");
  const ErrorScope scope(Caller("user.cpp", 7));  // as a layer's forward has one
  EXPECT_ERROR(x.shape(), "tensor: an undefined tensor is used (user.cpp:7)");
}

TEST(Tensor, BroadcastsShapes) {
  EXPECT_EQ(broadcast_shapes({2, 1, 5}, {3, 1}, "f", {}), (Shape{2, 3, 5}));
  EXPECT_EQ(broadcast_shapes({}, {3, 0}, "f", {}), (Shape{3, 0}));
  EXPECT_EQ(broadcast_shapes({3, 1}, {3, 0}, "f", {}), (Shape{3, 0}));
  EXPECT_EQ(broadcast_shapes({1}, {1}, "f", {}), Shape{1});
  EXPECT_ERROR(broadcast_shapes({2}, {3}, "f", {}), "f: shapes do not broadcast: [2] and [3] (tensor_test.cpp:");
  EXPECT_ERROR(broadcast_shapes({0}, {3}, "f", {}), "f: shapes do not broadcast: [0] and [3] (tensor_test.cpp:");
}

TEST(Tensor, GivesItsMemoryBack) {
  Backend& cpu = backend(Device::cpu());
  const size_t before = cpu.memory().live;
  {
    const Tensor x = zeros({1 << 16});
    const Tensor y = x.slice(0, 5, 7);
    EXPECT_GE(cpu.memory().live, before + (4 << 16));
  }
  EXPECT_EQ(cpu.memory().live, before);
}

TEST(Tensor, KeepsMemoryWhileAViewLives) {
  Backend& cpu = backend(Device::cpu());
  const size_t before = cpu.memory().live;
  Tensor y;
  {
    const Tensor x = arange(0, 1 << 16);
    y = x.slice(0, 5, 7);
  }
  EXPECT_GE(cpu.memory().live, before + (4 << 16));
  EXPECT_CLOSE(y, {5, 6});
  y = {};
  EXPECT_EQ(cpu.memory().live, before);
}

TEST(Tensor, MovesBetweenThreads) {
  Backend& cpu = backend(Device::cpu());
  const size_t before = cpu.memory().live;
  std::vector<Tensor> made(64);
  for (int round = 0; round < 20; ++round) {
    // Made in one thread, freed in another: each thread's lists of free blocks take what comes.
    std::thread maker([&] {
      for (size_t i = 0; i < made.size(); ++i) made[i] = full({static_cast<int64_t>(i) + 1}, static_cast<double>(i));
    });
    maker.join();
    std::thread reader([&] {
      for (size_t i = 0; i < made.size(); ++i) {
        EXPECT_EQ(made[i].select(0, 0).item(), static_cast<double>(i));
        made[i] = {};
      }
    });
    reader.join();
  }
  EXPECT_EQ(cpu.memory().live, before);
}

TEST(Tensor, IsSharedByThreads) {
  const Tensor x = arange(0, 1000);
  std::vector<std::thread> threads;
  std::array<double, 4> totals{};
  for (size_t t = 0; t < totals.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const Tensor copy = x;
        const Tensor part = copy.slice(0, i, i + 10);
        totals[t] += part.to_vector<double>()[9];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (double total : totals) EXPECT_EQ(total, 200 * 9 + 199 * 100);
}

TEST(Tensor, WorksWithAnyNumberOfThreads) {
  const int threads = num_threads();
  const Tensor x = test::random({301, 77}), y = test::random({301, 1}, {}, 2);
  const Tensor expected = x * y + tanh(x);
  for (const int count : {1, 2, 3, 8}) {
    set_num_threads(count);
    EXPECT_EQ(num_threads(), count);
    EXPECT_CLOSE(x * y + tanh(x), expected, 0, 0);
  }
  set_num_threads(threads);
}

}  // namespace
}  // namespace fovea
