#include "fovea/nn/schedule.h"

#include <cmath>

#include "fovea/nn/optimizers.h"
#include "layer_checks.h"

namespace fovea {
namespace {

using nn::ReduceOnPlateau;
using nn::Schedule;
namespace schedule = nn::schedule;

std::vector<double> first(const schedule::Curve& curve, int64_t count, double base = 1) {
  std::vector<double> rates;
  for (int64_t t = 0; t < count; ++t) rates.push_back(curve(base, t));
  return rates;
}

void expect_rates(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << "step " << i;
}

TEST(Schedule, Curves) {
  expect_rates(first(schedule::constant(), 2, 0.3), {0.3, 0.3});
  expect_rates(first(schedule::step(2, 0.5), 5, 8), {8, 8, 4, 4, 2});
  expect_rates(first(schedule::multi_step({1, 3}, 0.1), 5), {1, 0.1, 0.1, 0.01, 0.01});
  expect_rates(first(schedule::exponential(0.5), 4), {1, 0.5, 0.25, 0.125});
  expect_rates(first(schedule::cosine(4, 0.2), 5),
               {1, 0.6 + 0.4 * std::sqrt(0.5), 0.6, 0.6 - 0.4 * std::sqrt(0.5), 0.2});
  expect_rates(first(schedule::linear(0.5, 1, 2), 4, 2), {1, 1.5, 2, 2});
}

TEST(Schedule, WarmUpThenAnyCurve) {
  expect_rates(first(schedule::warm_up(2, schedule::exponential(0.5)), 5), {0, 0.5, 1, 0.5, 0.25});
  expect_rates(first(schedule::warm_up(2, schedule::constant(), 0.5), 4), {0.5, 0.75, 1, 1});
  expect_rates(first(schedule::warm_up(0), 2), {1, 1});
}

TEST(Schedule, OneCycleRisesToItsMaximumAndFallsFarBelowItsStart) {
  const schedule::Curve curve = schedule::one_cycle({.max_lr = 1, .steps = 11, .pct_start = 6.0 / 11});
  const std::vector<double> rates = first(curve, 13);
  EXPECT_NEAR(rates[0], 1.0 / 25, 1e-12);
  EXPECT_NEAR(rates[5], 1, 1e-12);
  EXPECT_NEAR(rates[10], 1.0 / 25 / 1e4, 1e-12);
  EXPECT_NEAR(rates[12], rates[10], 1e-12);  // and stays there
  for (size_t i = 1; i <= 5; ++i) EXPECT_GT(rates[i], rates[i - 1]);
  for (size_t i = 6; i <= 10; ++i) EXPECT_LT(rates[i], rates[i - 1]);
}

TEST(Schedule, OneCycleMayBeginAtItsMaximum) {
  // Half a cosine in three steps, down to 1 / 25 / 1e4.
  expect_rates(first(schedule::one_cycle({.max_lr = 1, .steps = 4, .pct_start = 0.25}), 4),
               {1, 0.75 + 1e-6, 0.25 + 3e-6, 4e-6});
}

TEST(Schedule, MovesEveryGroupFromItsOwnRate) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  nn::SGD optimizer({{std::vector<Tensor>{a}, {.lr = 1}}, {std::vector<Tensor>{b}, {.lr = 10}}});
  Schedule rates(optimizer, schedule::warm_up(2, schedule::exponential(0.5)));
  EXPECT_EQ(optimizer.lr(1), 0);
  for (int i = 0; i < 3; ++i) rates.step();
  EXPECT_EQ(optimizer.lr(0), 0.5);
  EXPECT_EQ(optimizer.lr(1), 5);
}

TEST(Schedule, ResumesWhereItWas) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  Schedule rates(optimizer, schedule::exponential(0.5));
  rates.step();
  rates.step();
  const nn::StateDict state = rates.state_dict(), optimizer_state = optimizer.state_dict();

  nn::SGD later(std::vector<Tensor>{p}, {.lr = 1});
  later.load_state_dict(optimizer_state);
  EXPECT_EQ(later.lr(), 0.25);
  Schedule resumed(later, schedule::exponential(0.5));  // takes the present rate as its base until it is told
  resumed.load_state_dict(state);
  EXPECT_EQ(resumed.steps(), 2);
  EXPECT_EQ(later.lr(), 0.25);
  resumed.step();
  EXPECT_EQ(later.lr(), 0.125);
  EXPECT_ERROR(resumed.load_state_dict({}),
               "load_state_dict: no number \"steps\" in the state of a schedule (schedule_t");
}

TEST(Schedule, LoadsNoCountThatIsNone) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  Schedule rates(optimizer, schedule::exponential(0.5));
  ReduceOnPlateau plateau(optimizer);
  plateau.step(3);
  plateau.step(4);
  for (const double bad : {-1.0, 2.5, 1e300, double{NAN}}) {
    nn::StateDict steps = rates.state_dict(), cooling = plateau.state_dict();
    steps["steps"] = scalar(bad, {f64, {}});
    cooling["cooling"] = scalar(bad, {f64, {}});
    cooling["best"] = scalar(100, {f64, {}});
    EXPECT_ERROR(rates.load_state_dict(steps), fmt::format("load_state_dict: {} is no count for \"steps\"", bad));
    EXPECT_ERROR(plateau.load_state_dict(cooling),
                 fmt::format("load_state_dict: {} is no count for \"cooling\" in the state of a ReduceOnPlateau", bad));
    cooling["cooling"] = scalar(0, {f64, {}});
    cooling["best"] = scalar(NAN, {f64, {}});
    EXPECT_ERROR(plateau.load_state_dict(cooling),
                 "load_state_dict: \"best\" in the state of a ReduceOnPlateau is nan (schedule_test.cpp:");
    EXPECT_EQ(plateau.state_dict().at("best").item(), 3);
    EXPECT_EQ(plateau.state_dict().at("bad").item(), 1);
  }
}

TEST(ReduceOnPlateau, WaitsThenReduces) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  ReduceOnPlateau plateau(optimizer, {.factor = 0.5, .patience = 1, .cooldown = 1, .min_lr = 0.2});
  const std::vector<double> metrics{3, 2, 2, 2, 2, 2, 2, 2, 2, 1};
  std::vector<double> rates;
  for (double metric : metrics) {
    plateau.step(metric);
    rates.push_back(optimizer.lr());
  }
  // Two calls without improvement reduce; the one after is let pass.
  EXPECT_EQ(rates, (std::vector<double>{1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25}));
  EXPECT_EQ(plateau.best(), 1);
  for (int i = 0; i < 9; ++i) plateau.step(5);
  EXPECT_EQ(optimizer.lr(), 0.2);
}

TEST(ReduceOnPlateau, NeverRaisesARate) {
  Tensor a = ones({1}).set_requires_grad(), b = ones({1}).set_requires_grad();
  const std::vector<nn::NamedTensor> fast{{"a", a}}, slow{{"b", b}};
  nn::SGD optimizer({{fast, {.lr = 1}}, {slow, {.lr = 0.01}}});
  ReduceOnPlateau plateau(optimizer, {.factor = 0.5, .patience = 0, .min_lr = 0.1});
  for (int i = 0; i < 9; ++i) plateau.step(1);
  EXPECT_EQ(optimizer.lr(0), 0.1);
  EXPECT_EQ(optimizer.lr(1), 0.01);
}

TEST(ReduceOnPlateau, MaximizesWithAThresholdAndResumes) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  const nn::ReduceOnPlateauOptions options{
      .maximize = true, .factor = 0.1, .patience = 1, .threshold = 0.05, .absolute = true};
  ReduceOnPlateau plateau(optimizer, options);
  plateau.step(0.5);
  plateau.step(0.54);  // not enough
  ReduceOnPlateau resumed(optimizer, options);
  resumed.load_state_dict(plateau.state_dict());
  EXPECT_EQ(resumed.best(), 0.5);
  resumed.step(0.51);
  EXPECT_NEAR(optimizer.lr(), 0.1, 1e-12);
}

TEST(ReduceOnPlateau, TakesAShareOfMetricsBelowZero) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  ReduceOnPlateau plateau(optimizer, {.patience = 9, .threshold = 0.1});
  plateau.step(-10);
  for (const double metric : {-9.5, -10.5, -11.0}) plateau.step(metric);  // not a tenth better
  EXPECT_EQ(plateau.best(), -10);
  plateau.step(-11.5);
  EXPECT_EQ(plateau.best(), -11.5);
}

TEST(ReduceOnPlateau, ResumesInsideACooldown) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  const nn::ReduceOnPlateauOptions options{.factor = 0.5, .patience = 0, .cooldown = 2};
  ReduceOnPlateau plateau(optimizer, options);
  for (int i = 0; i < 2; ++i) plateau.step(1);
  ReduceOnPlateau resumed(optimizer, options);
  resumed.load_state_dict(plateau.state_dict());
  std::vector<double> rates;
  for (int i = 0; i < 3; ++i) {
    resumed.step(1);
    rates.push_back(optimizer.lr());
  }
  EXPECT_EQ(rates, (std::vector<double>{0.5, 0.5, 0.25}));
}

TEST(Schedule, NamesMisuse) {
  EXPECT_ERROR(schedule::step(0), "schedule::step: 0 steps; at least 1 is needed (schedule_test.cpp:");
  EXPECT_ERROR(schedule::multi_step({3, 1}), "schedule::multi_step: the milestones do not rise (schedule_test.cpp:");
  EXPECT_ERROR(schedule::one_cycle({.max_lr = 1, .steps = 4, .pct_start = 2}), "schedule::one_cycle: pct_start 2 ");
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p});
  EXPECT_ERROR(ReduceOnPlateau(optimizer, {.factor = 1}),
               "ReduceOnPlateau: factor 1 is not between 0 and 1 (schedule_");
  EXPECT_ERROR(ReduceOnPlateau(optimizer, {.patience = -1}),
               "ReduceOnPlateau: patience -1, threshold 0.0001, cooldown 0 and min_lr 0 must be 0 or more (schedule_");
}

TEST(Schedule, RefusesRatesAndStatesThatAreNone) {
  Tensor p = ones({1}).set_requires_grad();
  nn::SGD optimizer(std::vector<Tensor>{p}, {.lr = 1});
  Schedule rates(optimizer, schedule::linear(1, -1, 2));
  rates.step();
  EXPECT_ERROR(rates.step(), "schedule: lr = -1 of step 2 is outside [0, inf) (schedule_test.cpp:");
  EXPECT_ERROR(rates.load_state_dict({{"steps", scalar(-3)}, {"base_lr.0", scalar(1)}}),
               "load_state_dict: -3 is no count for \"steps\" in the state of a schedule (schedule_test.cpp:");
  EXPECT_ERROR(rates.load_state_dict({{"steps", scalar(0)}, {"base_lr.0", scalar(NAN)}}),
               "schedule: lr = nan of step 0 is outside [0, inf) (schedule_test.cpp:");
  EXPECT_EQ(rates.steps(), 1);
  EXPECT_EQ(rates.state_dict().at("base_lr.0").item(), 1);
  EXPECT_EQ(optimizer.lr(), 0);
}

}  // namespace
}  // namespace fovea
