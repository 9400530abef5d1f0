#include "fovea/train/training_options.h"

#include <array>
#include <cmath>

#include "fovea/tensor/creation.h"
#include "support/expect.h"

namespace fovea::train {
namespace {

TEST(TrainingOptions, WeighClassesSoThatAllCountAlike) {
  TrainingOptions options;
  const std::array<int64_t, 3> counts{6, 0, 3};
  EXPECT_FALSE(options.class_weights(counts, {}).defined());
  options.balance = "weights";
  EXPECT_CLOSE(options.class_weights(counts, {}), {0.5, 0, 1});  // 9 examples, 3 for each class
}

TEST(TrainingOptions, WeighWhatHasALabelAsWhatHasItNot) {
  TrainingOptions options;
  const std::array<int64_t, 4> counts{6, 0, 3, 9};
  EXPECT_FALSE(options.positive_weights(counts, 9, {}).defined());
  options.balance = "weights";
  EXPECT_CLOSE(options.positive_weights(counts, 9, {}), {0.5, 1, 2, 1});  // where all or none have it, nothing to weigh
}

TEST(TrainingOptions, NameWhatAnEpochIsBestIn) {
  TrainingOptions options;
  EXPECT_EQ(options.trainer().monitor, Monitor::accuracy);
  options.monitor = "micro_f1";
  EXPECT_EQ(options.trainer().monitor, Monitor::micro_f1);
}

TEST(MakeSchedule, RisesForTheNearestNumberOfSteps) {
  const auto rates = [](const char* name, double warmup) {
    const nn::schedule::Curve curve = make_schedule(name, warmup)(5);
    std::vector<double> all;
    for (int64_t t = 0; t < 5; ++t) all.push_back(curve(1, t));
    return from_vector(all);
  };
  EXPECT_CLOSE(rates("constant", 0), {1, 1, 1, 1, 1});
  EXPECT_CLOSE(rates("linear", 0), {1, 0.8, 0.6, 0.4, 0.2});
  EXPECT_CLOSE(rates("linear", 0.3), {1.0 / 3, 2.0 / 3, 1, 2.0 / 3, 1.0 / 3});  // 1.5 steps are 2
  EXPECT_CLOSE(rates("exponential", 0.2), {0.5, 1, std::pow(0.01, 0.25), 0.1, std::pow(0.01, 0.75)});
  EXPECT_CLOSE(rates("constant", 1), {1.0 / 6, 2.0 / 6, 3.0 / 6, 4.0 / 6, 5.0 / 6});
  EXPECT_THROW(make_schedule("linear", 1.5), ValueError);
  EXPECT_THROW(make_schedule("square", 0), ValueError);
}

}  // namespace
}  // namespace fovea::train
