#include "fovea/nn/module.h"

#include <gmock/gmock.h>

#include "layer_checks.h"

namespace fovea {
namespace {

using nn::Linear;
using test::described;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Block : nn::Module {
  Linear first{3, 4}, second{4, 2};
  Tensor scale = ones({2});
  Tensor steps = zeros({}, {.dtype = i32});
  Block() {
    add("first", first);
    add("second", second);
    add("scale", scale);
    add_buffer("steps", steps);
  }
  Tensor forward(const Tensor& x, Caller caller = {}) const {
    const nn::Scope scope(*this, caller);
    return second.forward(relu(first.forward(x))) * scale;
  }
};

struct Net : nn::Module {
  Block body;
  Linear head{2, 5, {.bias = false}};
  Net() {
    add("body", body);
    add("head", head);
  }
  Tensor forward(const Tensor& x, Caller caller = {}) const {
    const nn::Scope scope(*this, caller);
    return head.forward(body.forward(x));
  }
};

static_assert(!std::is_copy_constructible_v<Linear> && !std::is_move_constructible_v<Linear>);

TEST(Module, NamesParametersByPathInOrder) {
  Net net;
  EXPECT_THAT(described(net), ElementsAre("body.scale [2]", "body.first.weight [4, 3]", "body.first.bias [4]",
                                          "body.second.weight [2, 4]", "body.second.bias [2]", "head.weight [5, 2]"));
  EXPECT_EQ(net.parameter_count(), 2 + 12 + 4 + 8 + 2 + 10);
  ASSERT_EQ(net.named_buffers().size(), 1u);
  EXPECT_EQ(net.named_buffers()[0].name, "body.steps");
  EXPECT_EQ(net.children().size(), 2u);
  EXPECT_EQ(net.body.second.path(), "body.second");
  EXPECT_EQ(net.path(), "");
  for (const Tensor& p : net.parameters()) EXPECT_TRUE(p.requires_grad() && p.is_leaf());
}

TEST(Module, CountsASharedTensorOnce) {
  struct Tied : nn::Module {
    nn::Embedding input{7, 3};
    Linear output{3, 7, {.bias = false}};
    Tied() {
      add("input", input);
      add("output", output);
      output.weight = input.weight;
    }
  } tied;
  EXPECT_THAT(described(tied), ElementsAre("input.weight [7, 3]"));
  EXPECT_EQ(tied.state_dict().size(), 2u);  // each name is there, as in PyTorch
}

TEST(Module, LoadsASharedTensorByAnyOfItsNames) {
  struct Shared : nn::Module {
    nn::Embedding input{7, 3};
    Linear output{3, 7, {.bias = false}};
    Shared() {
      add("input", input);
      add("output", output);
      output.weight = input.weight;
    }
  } from, to;
  const nn::StateDict whole = from.state_dict();
  for (const char* gone : {"output.weight", "input.weight"}) {
    nn::StateDict state = whole;
    state.erase(gone);
    to.input.weight.detach().fill_(0);
    EXPECT_TRUE(to.load_state_dict(state).clean());
    EXPECT_CLOSE(to.input.weight.detach(), from.input.weight.detach(), 0, 0);
  }
  nn::StateDict copied = whole;
  copied["output.weight"] = whole.at("output.weight").clone();
  to.load_state_dict(copied);
  copied["output.weight"] = ones({7, 3});
  EXPECT_ERROR(to.load_state_dict(copied),
               "load_state_dict: the state does not fit Shared\n  misshapen: output.weight: "
               "other values than input.weight, which is the same tensor in the module");
  EXPECT_CLOSE(to.input.weight.detach(), from.input.weight.detach(), 0, 0);
  EXPECT_ERROR(to.load_state_dict({}),
               "load_state_dict: the state does not fit Shared\n  missing: input.weight, output.we");
}

TEST(Module, RefusesBadNamesAndParameters) {
  struct Bad : nn::Module {
    explicit Bad(const char* name) { add(name, weight); }
    Tensor weight = ones({1});
  };
  EXPECT_ERROR(Bad("a.b"), "add: \"a.b\" is no name for a member of a module");
  EXPECT_ERROR(Bad(""), "add: \"\" is no name");
  struct Twice : nn::Module {
    Tensor a = ones({1}), b = ones({1});
    Twice() {
      add("a", a);
      add("a", b);
    }
  };
  EXPECT_ERROR(Twice(), "add: ");
  struct Missing : nn::Module {
    Tensor a;
    Missing() { add("a", a); }
  };
  EXPECT_ERROR(Missing(), "add: parameter \"a\" is undefined (module_test.cpp:");
  struct Integer : nn::Module {
    Tensor a = zeros({1}, {.dtype = i32});
    Integer() { add("a", a); }
  };
  EXPECT_ERROR(Integer(), "set_requires_grad: a i32 tensor has no gradient");
}

TEST(Module, TrainAndEvalReachEveryChild) {
  Net net;
  EXPECT_TRUE(net.body.first.training());
  net.eval();
  EXPECT_FALSE(net.training() || net.body.training() || net.body.first.training());
  net.body.train();
  EXPECT_TRUE(net.body.second.training());
  EXPECT_FALSE(net.training());
}

TEST(Evaluating, GivesEachModuleItsModeBack) {
  Net net;
  net.body.first.eval();
  {
    const nn::Evaluating evaluating(net);
    EXPECT_FALSE(net.training() || net.body.second.training() || grad_enabled());
  }
  EXPECT_TRUE(net.training() && net.body.training() && net.body.second.training() && grad_enabled());
  EXPECT_FALSE(net.body.first.training());
}

TEST(Module, ApplyVisitsChildrenFirst) {
  Net net;
  std::vector<std::string> seen;
  net.apply([&](nn::Module& m) { seen.push_back(m.path()); });
  EXPECT_THAT(seen, ElementsAre("body.first", "body.second", "body", "head", ""));
}

TEST(Module, ConvertsInPlaceSoThatHandlesFollow) {
  Net net;
  const Tensor before = net.head.weight;
  const std::vector<double> values = before.to_vector<double>();
  net.forward(ones({1, 3})).backward(ones({1, 5}));
  net.to(f64);
  EXPECT_EQ(before.dtype(), f64);
  EXPECT_EQ(before.to_vector<double>(), values);
  EXPECT_EQ(net.body.steps.dtype(), i32);
  EXPECT_FALSE(before.grad().defined());
  net.forward(ones({1, 3}, {.dtype = f64})).backward(ones({1, 5}, {.dtype = f64}));
  EXPECT_EQ(before.grad().dtype(), f64);
  EXPECT_ERROR(net.to(i32), "to: parameters cannot be i32 (module_test.cpp:");
}

TEST(Module, ConvertsAllOrNothing) {
  Net net;
  net.forward(ones({1, 3})).backward(ones({1, 5}));
  net.to(f32);
  EXPECT_TRUE(net.head.weight.grad().defined());  // nothing to convert
  int calls = 0;
  net.head.weight.register_hook([&](const Tensor&) { return ++calls, Tensor(); });
  net.to(f64);
  EXPECT_FALSE(net.head.weight.grad().defined());
  net.forward(ones({1, 3}, {.dtype = f64})).backward(ones({1, 5}, {.dtype = f64}));
  EXPECT_EQ(calls, 1);
  struct Half : nn::Module {
    Tensor a = ones({2}), b = ones({3});
    Half() {
      add("a", a);
      add("b", b);
    }
  } half;
  half.b = {};  // what cannot be converted
  EXPECT_THROW(half.to(f64), Error);
  EXPECT_EQ(half.a.dtype(), f32);
}

TEST(Module, ZeroGradForgetsGradients) {
  Net net;
  net.forward(ones({1, 3})).backward(ones({1, 5}));
  EXPECT_TRUE(net.head.weight.grad().defined());
  net.zero_grad();
  for (const Tensor& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
}

TEST(Module, StateDictRoundTrips) {
  Net a, b;
  a.body.steps.fill_(7);
  b.load_state_dict(a.state_dict());
  const Tensor x = test::random({4, 3});
  EXPECT_CLOSE(b.forward(x), a.forward(x), 0, 0);
  EXPECT_EQ(b.body.steps.item<int>(), 7);
  EXPECT_TRUE(b.head.weight.requires_grad());
  a.body.scale.detach().fill_(3);  // the state was copied, not shared
  EXPECT_EQ(b.body.scale.to_vector<float>(), (std::vector<float>{1, 1}));
}

TEST(Module, LoadConvertsDtypes) {
  Linear a(2, 2), b(2, 2);
  a.to(f64);
  b.load_state_dict(a.state_dict());
  EXPECT_EQ(b.weight.dtype(), f32);
  EXPECT_CLOSE(b.weight.detach(), a.weight.detach().to(f32), 0, 0);
}

TEST(Module, StrictLoadReportsEverythingAndChangesNothing) {
  Net net;
  const std::vector<double> before = net.head.weight.to_vector<double>();
  nn::StateDict state = Net().state_dict();
  state.erase("body.first.bias");
  state["body.second.weight"] = zeros({3, 4});
  state["extra"] = zeros({1});
  try {
    net.load_state_dict(state);
    FAIL() << "loaded";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("load_state_dict: the state does not fit Net"));
    EXPECT_THAT(error.what(), HasSubstr("missing: body.first.bias\n"));
    EXPECT_THAT(error.what(), HasSubstr("unexpected: extra\n"));
    EXPECT_THAT(error.what(), HasSubstr("misshapen: body.second.weight: [3, 4] in the state, [2, 4] in the module"));
    EXPECT_THAT(error.what(), HasSubstr("(module_test.cpp:"));
  }
  EXPECT_EQ(net.head.weight.to_vector<double>(), before);
}

TEST(Module, LenientLoadTakesWhatFits) {
  Net net;
  nn::StateDict state{{"head.weight", ones({5, 2})}, {"body.scale", ones({3})}, {"extra", zeros({1})}};
  const nn::LoadReport report = net.load_state_dict(state, {.strict = false});
  EXPECT_EQ(report.missing.size(), 5u);
  EXPECT_THAT(report.unexpected, ElementsAre("extra"));
  EXPECT_EQ(report.misshapen.size(), 1u);
  EXPECT_FALSE(report.clean());
  EXPECT_CLOSE(net.head.weight.detach(), ones({5, 2}));
  EXPECT_TRUE(nn::to_string(nn::LoadReport{}).empty());
}

TEST(Module, RefusesAnIntegerStateForAFloatingParameter) {
  Linear layer(1, 1, {.bias = false});
  EXPECT_ERROR(layer.load_state_dict({{"weight", zeros({1, 1}, {.dtype = i32})}}),
               "load_state_dict: the state does not fit Linear\n  misshapen: weight: i32 in the state, f32");
}

TEST(Module, ReportsTheFirstOfManyNames) {
  nn::StateDict state;
  for (int i = 10; i < 40; ++i) state[fmt::format("module.{}", i)] = zeros({1});
  try {
    Linear(1, 1).load_state_dict(state);
    FAIL() << "loaded";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("missing: weight, bias\n"));
    EXPECT_THAT(error.what(), HasSubstr("module.18, module.19 and 20 more"));
  }
}

TEST(Module, PrintsATree) {
  Net net;
  EXPECT_EQ(nn::to_string(net),
            "Net()  38 parameters\n"
            "  body: Block()  28 parameters\n"
            "    first: Linear(3, 4)  16 parameters\n"
            "    second: Linear(4, 2)  10 parameters\n"
            "  head: Linear(2, 5, bias=false)  10 parameters\n");
  EXPECT_THAT(nn::to_string(Linear(1000, 1234)), HasSubstr("1,235,234 parameters"));
}

TEST(Module, ErrorsNameThePathAndTheUsersLine) {
  Net net;
  const std::string message =
      "linear: input [4, 7] does not fit weight [4, 3] and bias [4] in body.first (module_test.cpp:";
  EXPECT_ERROR(net.forward(ones({4, 7})), message + std::to_string(__LINE__));
}

TEST(Module, ScopesEndWithTheForwardPass) {
  Net net;
  EXPECT_ERROR(net.forward(ones({4, 7})), "linear: ");
  EXPECT_ERROR(matmul(ones({1, 2}), ones({1, 2})), "matmul: inner sizes differ: [1, 2] x [1, 2] (module_test.cpp:");
}

TEST(Module, ParentAndChildMayDieInAnyOrder) {
  struct Parent : nn::Module {
    explicit Parent(nn::Module& child) { add("child", child); }
  };
  auto child = std::make_unique<Linear>(1, 1);
  auto parent = std::make_unique<Parent>(*child);
  EXPECT_EQ(child->path(), "child");
  parent.reset();
  EXPECT_EQ(child->path(), "");
  parent = std::make_unique<Parent>(*child);
  child.reset();
  EXPECT_TRUE(parent->children().empty());
  Linear shared(1, 1);
  Parent first(shared);
  EXPECT_ERROR(Parent{shared}, "add: \"child\" is part of another module already");
}

TEST(Module, NoneStandsWithinItself) {
  struct Open : nn::Module {
    void hold(const char* name, nn::Module& child) { add(name, child); }
  } a, b;
  EXPECT_ERROR(a.hold("self", a), "add: \"self\" would stand within itself, as self (module_test.cpp:");
  a.hold("b", b);
  EXPECT_ERROR(b.hold("a", a), "add: \"a\" would stand within itself, as b.a (module_test.cpp:");
  EXPECT_EQ(b.path(), "b");
}

TEST(Module, ReplacedParametersTakeTheGradients) {
  Linear layer(2, 1);
  Tensor source = ones({1}).set_requires_grad();
  const std::vector<Tensor> own = layer.parameters();
  layer.replace_parameters({source * full({1, 2}, 3.0), source * 1.0});
  sum(layer.forward(ones({1, 2}))).backward();
  EXPECT_EQ(source.grad().item(), 7);
  EXPECT_FALSE(own[0].grad().defined());
  EXPECT_ERROR(layer.replace_parameters({ones({1, 2}), {}}),
               "replace_parameters: an undefined tensor is used (module_test.cpp:");
  EXPECT_ERROR(layer.replace_parameters({ones({1, 2})}), "replace_parameters: 1 tensors for the 2 of Linear (module_");
  EXPECT_ERROR(layer.replace_parameters({ones({1, 2}), ones({2})}),
               "replace_parameters: [2] for \"bias\" [1] of Linear (module_test.cpp:");
  EXPECT_ERROR(layer.replace_parameters({ones({1, 2}), ones({1}, {.dtype = f64})}),
               "replace_parameters: f64 for \"bias\", which is f32 (module_test.cpp:");
}

}  // namespace
}  // namespace fovea
