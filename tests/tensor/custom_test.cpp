#include "fovea/tensor/custom.h"

#include <atomic>

#include "fovea/autograd/pointwise.h"
#include "fovea/tensor/creation.h"
#include "support/device.h"
#include "support/expect.h"
#include "support/layouts.h"
#include "weighted_sum.h"

namespace fovea::test {
namespace {

/// out = a x + b y, as weighted_sum.comp.
const CustomKernel kernel{.name = "weighted_sum",
                          .cpu =
                              [](const CustomCall& call, int64_t begin, int64_t end) {
                                const float *x = call.inputs[0]->data<float>(), *y = call.inputs[1]->data<float>();
                                float* out = call.outputs[0]->data<float>();
                                const auto a = static_cast<float>(call.numbers[0]);
                                const auto b = static_cast<float>(call.numbers[1]);
                                for (int64_t i = begin; i < end; ++i) out[i] = a * x[i] + b * y[i];
                              },
                          .spirv = weighted_sum,
                          .grain = 100};

TEST_P(OnEveryDevice, CustomKernelsRunEveryItem) {
  for (const int64_t n : {0, 1, 99, 255, 256, 100'003}) {
    const Tensor x = random({n}, options()), y = random({n}, options(), 2);
    const Tensor out = empty({n}, options());
    raw::run(kernel, {&x, &y}, {&out}, n, {2, -0.5});
    EXPECT_CLOSE(out, x * 2.0 - y * 0.5);
  }
}

TEST_P(OnEveryDevice, CustomKernelsWaitForWhatTheyRead) {
  // A chain in which every link needs the one before.
  Tensor x = ones({5000}, options());
  const Tensor one = ones({5000}, options());
  for (int i = 0; i < 20; ++i) {
    const Tensor next = empty({5000}, options());
    raw::run(kernel, {&x, &one}, {&next}, 5000, {1, 1});
    x = next + 1.0;
  }
  EXPECT_CLOSE(x, full({5000}, 41));
}

TEST_P(OnEveryDevice, CustomKernelsSeeStridedInputsInRowMajorOrder) {
  const Tensor x = random({3, 5}), y = random({3, 5}, options(), 2);
  for (const LaidOut& layout : layouts_of(x.to(device()))) {
    SCOPED_TRACE(layout.name);
    const Tensor out = empty({3, 5}, options());
    raw::run(kernel, {&layout.tensor, &y}, {&out}, 15, {2, 1});
    EXPECT_CLOSE(out, layout.tensor * 2.0 + y);
  }
}

TEST_P(OnEveryDevice, CustomKernelsWriteOnlyTheirView) {
  const Tensor x = random({3, 4}, options());
  const Tensor out = zeros({5, 4}, options()), inner = out.slice(0, 1, 4);
  raw::run(kernel, {&x, &x}, {&inner}, 12, {1, 1});
  EXPECT_CLOSE(inner, x * 2.0);
  for (const int64_t row : {0, 4}) EXPECT_CLOSE(out.select(0, row), zeros({4}), 0, 0);
}

TEST(Custom, RangesAreCutAlikeForAnyNumberOfThreads) {
  std::atomic<int64_t> items = 0, ranges = 0;
  const CustomKernel counting{.name = "counting",
                              .cpu =
                                  [&](const CustomCall&, int64_t begin, int64_t end) {
                                    items += end - begin;
                                    ranges += 1;
                                    EXPECT_EQ(begin % 100, 0);
                                  },
                              .grain = 100};
  const Tensor out = empty({1});
  raw::run(counting, {}, {&out}, 1050);
  EXPECT_EQ(items, 1050);
  EXPECT_EQ(ranges, 11);
}

TEST_P(OnEveryDevice, CustomKernelsNameMisuse) {
  const Tensor x = ones({2, 3}, options()), gaps = empty({3, 2}, options()).mT();
  EXPECT_ERROR(raw::run(kernel, {&x, &x}, {&gaps}, 6, {1, 1}, {}), "weighted_sum: an output [2, 3] with gaps");
  EXPECT_ERROR(raw::run(kernel, {&x}, {}, 6, {1, 1}, {}), "weighted_sum: a kernel without outputs");
  EXPECT_ERROR(raw::run({.name = "half"}, {&x}, {&x}, 6),
               fmt::format("half: {} has no such kernel (custom_test.cpp:", to_string(device())));
  if (device() == Device::cpu()) return;
  const Tensor host = ones({2, 3});
  EXPECT_ERROR(raw::run(kernel, {&x, &host}, {&x}, 6, {1, 1}, {}),
               "weighted_sum: a tensor on cpu among others on vulkan:0");
  EXPECT_ERROR(raw::run(kernel, {&x, &x}, {&x}, 6,
                        {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}),
               "weighted_sum: 3 views and 27 numbers are more than 128 bytes of parameters");
}

}  // namespace
}  // namespace fovea::test
