#include "fovea/fovea.h"
#include "support/expect.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using IndexFaultsTest = VulkanTest;

Tensor on_device(const std::vector<int32_t>& values) {
  return from_vector(values, {static_cast<int64_t>(values.size())}).to(Device::vulkan());
}

struct Words : nn::Module {
  nn::Embedding embedding{4, 3};
  Words() { add("embedding", embedding); }
};

TEST_F(IndexFaultsTest, NameTheLineOfTheCallThatWasWrong) {
  const Tensor x = zeros({4, 3}, {f32, Device::vulkan()}), right = on_device({1, 2}), wrong = on_device({1, 7});
  index_select(x, 0, right);
  const unsigned line = __LINE__ + 1;
  const Tensor y = index_select(x, 0, wrong);
  index_select(x, 0, right);
  EXPECT_ERROR(y.to(Device::cpu()),
               fmt::format("index_select: index 7 is outside [0, 4) (index_faults_test.cpp:{})", line));
  const Tensor z = cross_entropy(x, on_device({0, 1, 3, 2}));
  EXPECT_ERROR(z.item(), fmt::format("cross_entropy: index 3 is outside [0, 3) (index_faults_test.cpp:{})", line + 4));
}

TEST_F(IndexFaultsTest, FindAClassThatOneHotHasNotGot) {
  const Tensor x = one_hot(on_device({0, 3}), 3);
  EXPECT_ERROR(x.to(Device::cpu()), "one_hot: index 3 is outside [0, 3) (index_faults_test.cpp:");
}

TEST_F(IndexFaultsTest, NameTheModuleAlsoInCapturedSteps) {
  Words words;
  words.to(Device::vulkan());
  const unsigned line = __LINE__ + 1;
  auto step = capture([&](const Tensor& index) { return sum(words.embedding.forward(index)); });
  const Tensor right = on_device({1, 2}), wrong = on_device({1, -1});
  for (int run = 0; run < 4; ++run) step(right).item();
  ASSERT_GT(step.stats().replays, 0);
  const Tensor sum = step(wrong);
  EXPECT_ERROR(sum.item(),
               fmt::format("embedding: index -1 is outside [0, 4) in embedding (index_faults_test.cpp:{})", line));
}

TEST_F(IndexFaultsTest, TellAsManyPlacesApartAsThereAre) {
  const Mirror source(make({4, 3})), index(from({1}, {9}, i32)), out(make({1, 3}));
  std::string text;
  for (unsigned line = 1; line < 6000; ++line) {
    const ErrorScope scope(Caller("program.cpp", line));
    gpu().gather({.source = source, .index = index, .out = out, .rows = true});
    if (line % 500 != 499) continue;
    try {
      gpu().synchronize();
    } catch (const IndexError& error) {
      text = error.what();
    }
    // The first of those since the last report; beyond what there is room for, the kernel alone.
    EXPECT_EQ(text.substr(0, 33), "gather: index 9 is outside [0, 4)");
    EXPECT_EQ(text.substr(33), line < 2000   ? fmt::format(" (program.cpp:{})", std::max(1u, line - 499))
                               : line > 3000 ? ""
                                             : text.substr(33));
  }
}

}  // namespace
}  // namespace fovea::test
