#include "fovea/nn/unregistered.h"

#include "fovea/autograd/losses.h"
#include "fovea/nn/embedding.h"
#include "fovea/nn/linear.h"
#include "layer_checks.h"
#include "support/device.h"

namespace fovea::test {
namespace {

struct Halves : nn::Module {
  nn::Embedding embedding{5, 3};
  nn::Linear hidden{3, 4}, output{4, 2};
  explicit Halves(bool whole) {
    add("embedding", embedding);
    if (whole) add("hidden", hidden);
    add("output", output);
  }
  Tensor forward(const Tensor& index) const { return output.forward(relu(hidden.forward(embedding.forward(index)))); }
};

Tensor loss_of(const Halves& model) {
  return cross_entropy(model.forward(tensor({1, 3}, {.dtype = i32})), tensor({0, 1}, {.dtype = i32}));
}

TEST(UnregisteredParameters, AreThoseOfAChildThatWasNotAdded) {
  Halves model(false);
  const Tensor loss = loss_of(model);
  const auto found = nn::unregistered_parameters(loss, model.parameters());
  ASSERT_EQ(found.size(), 2u);  // weight and bias, each once
  EXPECT_NE(found[0].tensor.impl(), found[1].tensor.impl());
  for (const nn::Unregistered& each : found) {
    EXPECT_TRUE(each.tensor.impl() == model.hidden.weight.impl() || each.tensor.impl() == model.hidden.bias.impl());
    EXPECT_THAT(to_string(each), ::testing::StartsWith("linear (unregistered_test.cpp:"));
  }
  std::vector<Tensor> known = model.parameters();
  known.push_back(model.hidden.bias);
  const auto other = nn::unregistered_parameters(loss, known);
  ASSERT_EQ(other.size(), 1u);
  EXPECT_THAT(to_string(other[0]), ::testing::EndsWith(") reads a f32 [4, 3]"));

  Halves whole(true);
  EXPECT_TRUE(nn::unregistered_parameters(loss_of(whole), whole.parameters()).empty());
}

TEST(UnregisteredParameters, AreNotWhatIsFrozenOrConstant) {
  Halves model(false);
  model.hidden.set_requires_grad(false);
  EXPECT_TRUE(nn::unregistered_parameters(loss_of(model) * ones({}), model.parameters()).empty());
  const Tensor input = ones({}).set_requires_grad();
  const auto found = nn::unregistered_parameters(loss_of(model) * input, model.parameters());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].tensor.impl(), input.impl());
}

TEST(UnregisteredParameters, NeedAGraph) {
  Halves model(true);
  const Tensor loss = loss_of(model);
  loss.backward();
  EXPECT_ERROR(nn::unregistered_parameters(loss, {}), "unregistered_parameters: backward() has freed the graph, at ");
  EXPECT_ERROR(nn::unregistered_parameters(ones({}), {}), "unregistered_parameters: the loss was not recorded (");
}

}  // namespace
}  // namespace fovea::test
