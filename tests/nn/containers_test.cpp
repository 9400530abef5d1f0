#include "fovea/nn/containers.h"

#include <gmock/gmock.h>

#include "layer_checks.h"

namespace fovea {
namespace {

using nn::Linear;
using nn::make;
using nn::Sequential;
using ::testing::ElementsAre;

TEST(Sequential, RunsLayersInOrder) {
  Sequential net{make<Linear>(4, 3), relu, make<Linear>(3, 2), [](const Tensor& x) { return x * 2.0; }};
  EXPECT_EQ(net.size(), 4u);
  EXPECT_THAT(test::described(net), ElementsAre("0.weight [3, 4]", "0.bias [3]", "2.weight [2, 3]", "2.bias [2]"));
  const auto& first = dynamic_cast<const Linear&>(*net[0].module());
  const auto& second = dynamic_cast<const Linear&>(*net[2].module());
  EXPECT_EQ(net[1].module(), nullptr);
  const Tensor x = test::random({5, 4});
  EXPECT_CLOSE(net.forward(x), second.forward(relu(first.forward(x))) * 2.0, 0, 0);
}

TEST(Sequential, NestsAndReachesChildrenWithEval) {
  Sequential net{make<Linear>(2, 2), make<Sequential>(std::initializer_list<nn::Layer>{make<nn::Dropout>(0.5), tanh})};
  const Tensor x = test::random({3, 2});
  net.eval();
  EXPECT_CLOSE(net.forward(x), net.forward(x), 0, 0);
  EXPECT_EQ(net[1].module()->children()[0]->path(), "1.0");
}

TEST(Sequential, EmptyIsTheIdentity) {
  const Tensor x = ones({2});
  EXPECT_EQ(Sequential().forward(x).impl(), x.impl());
}

TEST(Sequential, ErrorsNameTheLayer) {
  Sequential net{make<Linear>(4, 3), make<Linear>(4, 3)};
  EXPECT_ERROR(net.forward(ones({1, 4})),
               "linear: input [1, 3] does not fit weight [3, 4] and bias [3] in 1 (containers_test.cpp:");
}

TEST(Sequential, RefusesAModuleThatIsNull) {
  EXPECT_ERROR((Sequential{make<Linear>(4, 3), std::shared_ptr<Linear>()}),
               "Layer: a module that is null (containers_test.cpp:");
}

TEST(Sequential, Gradients) {
  Sequential net{make<Linear>(2, 3), tanh, make<Linear>(3, 1)};
  EXPECT_TRUE(test::layer_gradients_hold(net, {test::random({2, 2})},
                                         [&](const std::vector<Tensor>& x) { return net.forward(x[0]); }));
}

TEST(ModuleList, OwnsAndNamesItsModules) {
  nn::ModuleList<Linear> list;
  list.emplace(2, 3);
  list.emplace(3, 4, nn::LinearOptions{.bias = false});
  EXPECT_EQ(list.size(), 2u);
  EXPECT_THAT(test::described(list), ElementsAre("0.weight [3, 2]", "0.bias [3]", "1.weight [4, 3]"));
  Tensor x = ones({1, 2});
  for (Linear& layer : list) x = layer.forward(x);
  EXPECT_EQ(x.shape(), (Shape{1, 4}));
  EXPECT_EQ(list.type_name(), "ModuleList");
  EXPECT_EQ(&list[1], &*++list.begin());
  EXPECT_ERROR(list[2], "ModuleList: no place 2 among 2 (containers_test.cpp:");
  EXPECT_ERROR(list[-1], "ModuleList: no place -1 among 2 (containers_test.cpp:");
  const nn::Sequential net{relu};
  EXPECT_ERROR(net[1], "Sequential: no place 1 among 1 (containers_test.cpp:");
}

TEST(ParameterList, NamesItsParametersAndKeepsTheirPlace) {
  nn::ParameterList list;
  const Tensor* first = &list.append(ones({2}));
  for (int i = 1; i < 40; ++i) list.append(zeros({i}));
  EXPECT_EQ(first, &list[0]);
  EXPECT_EQ(list.size(), 40u);
  EXPECT_EQ(list.parameter_count(), 2 + 39 * 20);
  EXPECT_EQ(list.named_parameters()[39].name, "39");
  sum(list[0] * list[0]).backward();
  EXPECT_EQ(list[0].grad().to_vector<float>(), (std::vector<float>{2, 2}));
  EXPECT_ERROR(list[40], "ParameterList: no place 40 among 40 (containers_test.cpp:");
  EXPECT_ERROR(list.append(Tensor()), "ParameterList: a tensor that is none (containers_test.cpp:");
  EXPECT_EQ(list.size(), 40u);
}

TEST(ModuleDict, OwnsAndNamesItsModules) {
  nn::ModuleDict<Linear> heads;
  heads.emplace("size", 2, 3);
  const std::string colour = "colour";
  Linear& last = heads.emplace(colour, 2, 4, nn::LinearOptions{.bias = false});
  EXPECT_EQ(heads.size(), 2u);
  EXPECT_EQ(&heads[colour], &last);
  EXPECT_EQ(heads["colour"].path(), "colour");
  EXPECT_TRUE(heads.contains("size"));
  EXPECT_FALSE(heads.contains("shape"));
  EXPECT_THAT(heads.keys(), ElementsAre("size", "colour"));
  EXPECT_THAT(test::described(heads), ElementsAre("size.weight [3, 2]", "size.bias [3]", "colour.weight [4, 2]"));
  EXPECT_EQ(heads["size"].forward(ones({1, 2})).shape(), (Shape{1, 3}));
  EXPECT_EQ(heads.type_name(), "ModuleDict");
}

TEST(ModuleDict, NamesTheCallerOfANameThatCannotBe) {
  nn::ModuleDict<Linear> heads;
  heads.emplace("size", 2, 3);
  heads.emplace("colour", 2, 3);
  EXPECT_ERROR(heads["shape"], "ModuleDict: no \"shape\" among: size, colour (containers_test.cpp:");
  EXPECT_ERROR(heads.emplace("size", 2, 3), "add: ModuleDict has a \"size\" already (containers_test.cpp:");
  EXPECT_ERROR(heads.emplace("a.b", 2, 3),
               "add: \"a.b\" is no name for a member of a module: it is empty or has a dot (containers_test.cpp:");
  EXPECT_ERROR(heads.emplace("shape", -1, 3), "Linear: sizes -1 and 3 must not be negative (containers_test.cpp:");
  EXPECT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads.children().size(), 2u);
}

}  // namespace
}  // namespace fovea
