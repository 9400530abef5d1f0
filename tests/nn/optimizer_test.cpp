#include "fovea/nn/optimizers.h"

#include <gmock/gmock.h>

#include <cmath>

#include "every_optimizer.h"
#include "layer_checks.h"

namespace fovea {
namespace {

using nn::Adagrad;
using nn::Adam;
using nn::AdamW;
using nn::Optimizer;
using nn::SGD;
using test::every_optimizer;
using test::make;
using ::testing::HasSubstr;

TEST(Optimizer, FindsTheMinimumOfAQuadratic) {
  const Tensor target = tensor({3, -1, 0.5}), curvature = tensor({1, 4, 0.5});
  for (const auto& [name, make] : every_optimizer()) {
    SCOPED_TRACE(name);
    Tensor x = zeros({3}).set_requires_grad();
    const auto optimizer = make(std::vector<Tensor>{x});
    for (int i = 0; i < 600; ++i) {
      optimizer->zero_grad();
      sum(square(x - target) * curvature).backward();
      optimizer->step();
    }
    EXPECT_CLOSE(x.detach(), target, 0.05, 0.05);
  }
}

/// Runs `steps` steps on one f64 number with gradients 1, -2, 3, ... and returns it.
double run(const test::MakeOptimizer& make, int steps) {
  Tensor p = full({}, 2.0, {.dtype = f64}).set_requires_grad();
  const auto optimizer = make(std::vector<Tensor>{p});
  for (int i = 1; i <= steps; ++i) {
    p.set_grad(full({}, i % 2 ? i : -i, {.dtype = f64}));
    optimizer->step();
  }
  return p.item();
}

TEST(Optimizer, FollowsTheFormulas) {
  // The same loops, written out in plain numbers.
  const auto gradient = [](int i) { return i % 2 ? i : -i; };
  double p = 2, m = 0, v = 0, b = 0, a = 0;
  const auto restart = [&] { p = 2, m = v = b = a = 0; };
  for (int i = 1; i <= 4; ++i) {
    const double g = gradient(i) + 0.01 * p;
    b = i == 1 ? g : 0.9 * b + 0.9 * g;
    p -= 0.02 * b;
  }
  EXPECT_NEAR(run(every_optimizer().at("SGD momentum"), 4), p, 1e-12);
  restart();
  for (int i = 1; i <= 4; ++i) {
    const double g = gradient(i);
    b = i == 1 ? g : 0.9 * b + g;
    p -= 0.02 * (g + 0.9 * b);
  }
  EXPECT_NEAR(run(every_optimizer().at("SGD nesterov"), 4), p, 1e-12);
  for (const bool decoupled : {false, true}) {
    restart();
    for (int i = 1; i <= 4; ++i) {
      const double g = gradient(i) + (decoupled ? 0 : 0.01 * p);
      if (decoupled) p *= 1 - 0.05 * 0.01;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      p -= 0.05 * (m / (1 - std::pow(0.9, i))) / (std::sqrt(v / (1 - std::pow(0.999, i))) + 1e-8);
    }
    EXPECT_NEAR(run(every_optimizer().at(decoupled ? "AdamW" : "Adam decay"), 4), p, 1e-12);
  }
  restart();
  for (int i = 1; i <= 4; ++i) {
    const double g = gradient(i);
    v = 0.99 * v + 0.01 * g * g;
    a = 0.99 * a + 0.01 * g;
    b = 0.9 * b + g / (std::sqrt(v - a * a) + 1e-8);
    p -= 0.005 * b;
  }
  EXPECT_NEAR(run(every_optimizer().at("RMSprop both"), 4), p, 1e-12);
  restart();
  v = 0.5;
  for (int i = 1; i <= 4; ++i) {
    const double g = gradient(i) + 0.1 * p;
    v += g * g;
    p -= 0.3 / (1 + (i - 1) * 0.2) * g / (std::sqrt(v) + 1e-10);
  }
  EXPECT_NEAR(run(make<Adagrad>(
                      nn::AdagradOptions{.lr = 0.3, .lr_decay = 0.2, .weight_decay = 0.1, .initial_accumulator = 0.5}),
                  4),
              p, 1e-12);
}

TEST(Optimizer, TakesLooseTensors) {
  Tensor w = tensor({1, 2}).set_requires_grad(), v = tensor({3}).set_requires_grad();
  SGD optimizer({w, v}, {.lr = 0.5});
  Adam one({w}, {.lr = 0.5});
  EXPECT_EQ(one.parameters().size(), 1u);
  (sum(w * 2.0) + sum(v)).backward();
  optimizer.step();
  EXPECT_CLOSE(w.detach(), {0, 1});
  EXPECT_CLOSE(v.detach(), {2.5});
}

TEST(Optimizer, SkipsWhatHasNoGradient) {
  Tensor used = ones({2}).set_requires_grad(), unused = ones({2}).set_requires_grad();
  Adam optimizer(std::vector<Tensor>{used, unused}, {.lr = 0.1});
  used.set_grad(ones({2}));
  optimizer.step();
  EXPECT_CLOSE(unused.detach(), ones({2}), 0, 0);
  EXPECT_CLOSE(used.detach(), full({2}, 0.9), 1e-6);
}

TEST(Optimizer, GroupsHaveTheirOwnOptions) {
  nn::Linear a(1, 1, {.bias = false}), b(1, 1, {.bias = false});
  a.load_state_dict({{"weight", ones({1, 1})}});
  b.load_state_dict({{"weight", ones({1, 1})}});
  SGD optimizer({{std::vector<nn::NamedTensor>{{"a", a.weight}}, {.lr = 0.1}},
                 {std::vector<nn::NamedTensor>{{"b", b.weight}}, {.lr = 0.2, .weight_decay = 1}}});
  a.weight.set_grad(ones({1, 1}));
  b.weight.set_grad(ones({1, 1}));
  optimizer.step();
  EXPECT_NEAR(a.weight.item(), 0.9, 1e-6);
  EXPECT_NEAR(b.weight.item(), 0.6, 1e-6);
  EXPECT_EQ(optimizer.groups(), 2u);
  EXPECT_EQ(optimizer.lr(1), 0.2);
  optimizer.set_lr(0.5);
  EXPECT_EQ(optimizer.lr(0), 0.5);
  EXPECT_EQ(optimizer.lr(1), 0.5);
  EXPECT_ERROR(optimizer.lr(2), "optimizer: group 2 of 2 (optimizer_test.cpp:");
  EXPECT_ERROR(optimizer.options(2), "optimizer: group 2 of 2 (optimizer_test.cpp:");
  EXPECT_ERROR(optimizer.set_lr(7, 0.1), "optimizer: group 7 of 2 (optimizer_test.cpp:");
  for (const double bad : {-3.0, std::nan(""), HUGE_VAL}) EXPECT_THROW(optimizer.set_lr(bad), ValueError);
  EXPECT_ERROR(optimizer.set_lr(1, -3), "optimizer: lr = -3 is outside [0, inf) (optimizer_test.cpp:");
  EXPECT_EQ(optimizer.lr(1), 0.5);
}

struct Pair : nn::Module {
  nn::Linear first{3, 4}, second{4, 2};
  Pair() {
    add("first", first);
    add("second", second);
  }
  Tensor forward(const Tensor& x) const { return second.forward(tanh(first.forward(x))); }
};

TEST(Optimizer, GroupsOfModulesKeepFullNames) {
  Pair net;
  Adam optimizer({{net.first, {.lr = 1e-2}}, {net.second, {.lr = 1e-3}}});
  net.forward(ones({1, 3})).backward(ones({1, 2}));
  optimizer.step();
  EXPECT_TRUE(optimizer.state_dict().contains("first.weight.exp_avg"));
  EXPECT_TRUE(optimizer.state_dict().contains("second.bias.exp_avg_sq"));
  EXPECT_TRUE(optimizer.state_dict().contains("group.1.lr"));
}

TEST(Optimizer, LeavesOutWhatIsFrozen) {
  Pair net;
  net.first.set_requires_grad(false);
  Adam optimizer(net);
  EXPECT_EQ(optimizer.parameters().size(), 2u);
  const std::vector<double> before = net.first.weight.to_vector<double>();
  net.forward(ones({1, 3})).backward(ones({1, 2}));
  optimizer.step();
  EXPECT_FALSE(net.first.weight.grad().defined());
  EXPECT_EQ(net.first.weight.to_vector<double>(), before);
  EXPECT_TRUE(optimizer.state_dict().contains("second.weight.exp_avg"));
  EXPECT_ERROR(Adam(std::vector<Tensor>{net.first.weight}), "optimizer: \"0\" is no leaf that requires a gradient");
  EXPECT_ERROR(Adam(net.first), "optimizer: there is no parameter to train (optimizer_test.cpp:");
  net.set_requires_grad();
  EXPECT_EQ(Adam(net).parameters().size(), 4u);
}

/// Fails where it is told to: an optimizer with two state tensors.
struct Failing : Optimizer {
  enum class At : uint8_t { nothing, state, update } at = At::nothing;
  explicit Failing(const Tensor& parameter) { add_group(std::vector<Tensor>{parameter}, 1, {}); }

 private:
  std::vector<const char*> state_names(const Slot&) const override { return {"a", "b"}; }
  double initial_state(const Slot& slot) const override {
    if (at == At::state && calls_++ == 1) raise<OutOfMemoryError>({}, "no memory for {}", slot.name);
    return 0;
  }
  void update(Slot& slot, const Tensor&) override {
    if (at == At::update) raise<OutOfMemoryError>({}, "no memory for {}", slot.name);
  }
  mutable int calls_ = 0;
};

TEST(Optimizer, AStepThatFailsIsNone) {
  for (const auto at : {Failing::At::state, Failing::At::update}) {
    Tensor p = ones({2}).set_requires_grad();
    Failing optimizer(p);
    p.set_grad(ones({2}));
    optimizer.at = at;
    EXPECT_THROW(optimizer.step(), OutOfMemoryError);
    EXPECT_EQ(optimizer.state_dict().size(), 1u);  // the rate alone
    optimizer.at = Failing::At::nothing;
    optimizer.step();
    const nn::StateDict state = optimizer.state_dict();
    EXPECT_EQ(state.size(), 4u);
    EXPECT_EQ(state.at("0.step").item(), 1);
  }
}

void train(Pair& net, Optimizer& optimizer, int first, int last) {
  for (int i = first; i < last; ++i) {
    optimizer.zero_grad();
    mean(square(net.forward(test::random({5, 3}, {}, static_cast<uint64_t>(i))))).backward();
    optimizer.step();
  }
}

TEST(Optimizer, ResumesExactly) {
  for (const auto& [name, make] : every_optimizer()) {
    SCOPED_TRACE(name);
    Pair whole;
    const nn::StateDict start = test::copy_of(whole.state_dict());
    const auto one = make(whole);
    train(whole, *one, 0, 8);

    Pair before;
    before.load_state_dict(start);
    const auto two = make(before);
    train(before, *two, 0, 3);
    two->set_lr(two->lr());
    const nn::StateDict weights = test::copy_of(before.state_dict()), state = test::copy_of(two->state_dict());
    Pair after;
    after.load_state_dict(weights);
    const auto three = make(after);
    three->load_state_dict(state);
    train(after, *three, 3, 8);
    for (const auto& [key, tensor] : whole.state_dict()) EXPECT_CLOSE(after.state_dict().at(key), tensor, 0, 0);
    // What was loaded is left to its owner.
    const nn::StateDict then = two->state_dict();
    for (const auto& [key, tensor] : state) EXPECT_CLOSE(tensor, then.at(key), 0, 0) << key;
  }
}

TEST(Optimizer, RefusesAForeignStateAndChangesNothing) {
  Pair net;
  Adam optimizer(net);
  train(net, optimizer, 0, 2);
  nn::StateDict state = test::copy_of(optimizer.state_dict());
  state["first.weight.exp_avg"] = zeros({7});
  state.erase("first.bias.exp_avg_sq");
  state["stranger"] = zeros({1});
  state["second.weight.step"] = full({}, -1, {.dtype = f64});
  state["second.bias.step"] = full({}, NAN, {.dtype = f64});
  state["group.0.lr"] = full({}, NAN, {.dtype = f64});
  try {
    optimizer.load_state_dict(state);
    FAIL() << "loaded";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("first.weight.exp_avg is [7], not [4, 3]"));
    EXPECT_THAT(error.what(), HasSubstr("first.bias.exp_avg_sq is missing"));
    EXPECT_THAT(error.what(), HasSubstr("second.weight.step is -1"));
    EXPECT_THAT(error.what(), HasSubstr("second.bias.step is nan"));
    EXPECT_THAT(error.what(), HasSubstr("group.0.lr is nan"));
    EXPECT_THAT(error.what(), HasSubstr("(optimizer_test.cpp:"));
  }
  state = test::copy_of(optimizer.state_dict());
  state["group.0.lr"] = scalar(std::nan(""), {.dtype = f64});
  EXPECT_ERROR(optimizer.load_state_dict(state),
               "load_state_dict: the state does not fit the optimizer: group.0.lr is nan (optimizer_test.cpp:");
  state["group.0.lr"] = scalar(1, {.dtype = f64});
  state["second.weight.step"] = scalar(-4, {.dtype = f64});
  EXPECT_ERROR(optimizer.load_state_dict(state),
               "load_state_dict: the state does not fit the optimizer: second.weight.step is -4");
  state["second.weight.step"] = scalar(1.5, {.dtype = f64});
  EXPECT_ERROR(optimizer.load_state_dict(state),
               "load_state_dict: the state does not fit the optimizer: second.weight.step is 1.5");
  EXPECT_EQ(optimizer.lr(), 1e-3);
  EXPECT_EQ(optimizer.state_dict().at("first.weight.step").item(), 2);
}

TEST(Optimizer, NamesMisuse) {
  const Tensor plain = ones({2});
  EXPECT_ERROR(Adam(std::vector<Tensor>{plain}),
               "optimizer: \"0\" is no leaf that requires a gradient (optimizer_test");
  Tensor p = ones({2}).set_requires_grad();
  EXPECT_ERROR(Adam(std::vector<Tensor>{p * 2.0}),
               "optimizer: \"0\" is no leaf that requires a gradient (optimizer_test");
  EXPECT_ERROR(Adam(std::vector<Tensor>{p, p}), "optimizer: \"0\" and \"1\" are one parameter (optimizer_test.cpp:");
  const nn::Linear first(2, 2), second(2, 2);
  EXPECT_ERROR(Adam({{first, {}}, {second, {}}}),
               "optimizer: two parameters are called \"weight\"; make their modules members of one, whose paths tell "
               "them apart, or give .parameters(), which are numbered (optimizer_test.cpp:");
  EXPECT_EQ(Adam({{first.parameters(), {}}, {second.parameters(), {}}}).parameters().size(), 4u);
  EXPECT_ERROR(Adam(std::vector<Tensor>{p}, {.beta1 = 1}), "Adam: beta1 = 1 is outside [0, 1) (optimizer_test.cpp:");
  EXPECT_ERROR(SGD(std::vector<Tensor>{p}, {.lr = -1}), "SGD: lr = -1 is outside [0, inf) (optimizer_test.cpp:");
  EXPECT_ERROR(SGD(std::vector<Tensor>{p}, {.momentum = 0.9, .dampening = NAN}),
               "SGD: dampening = nan is not finite (optimizer_test.cpp:");
  EXPECT_ERROR(SGD(std::vector<Tensor>{p}, {.nesterov = true}), "SGD: nesterov needs momentum and no dampening");
  EXPECT_ERROR(SGD(std::vector<Tensor>{p}, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}),
               "SGD: nesterov needs momentum and no dampening");
  nn::Linear layer(2, 2);
  Adam optimizer(layer);
  layer.forward(ones({1, 2})).backward(ones({1, 2}));
  optimizer.step();
  layer.to(f64);
  layer.forward(ones({1, 2}, {.dtype = f64})).backward(ones({1, 2}, {.dtype = f64}));
  EXPECT_ERROR(optimizer.step(), "optimizer: \"weight\" was converted or moved; make the optimizer after that (optimi");
}

}  // namespace
}  // namespace fovea
