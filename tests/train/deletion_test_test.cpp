#include "fovea/train/deletion_test.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fovea::train {
namespace {

/// Examples of ten units, of which two decide: without either the right class's probability halves. `told` is what the
/// weights say.
class TwoUnitsDecide final : public ClassifierTask {
 public:
  explicit TwoUnitsDecide(std::vector<double> told) : told_(std::move(told)) {}

  void declare_data(OptionTable&) override {}
  void declare_model(OptionTable&) override {}
  void settle(const OptionTable&, TrainingOptions&) override {}
  void load_training(const TrainingFiles&) override {}
  void load_test(const std::string&) override {}
  std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) override { return inputs; }
  std::string input_kind() const override { return "example"; }
  const data::Labels& labels() const override { return labels_; }
  int64_t size(Part) const override { return 4; }
  int32_t truth(Part, int64_t example) const override { return example == 3 ? 1 : 0; }
  uint64_t fingerprint() const override { return 0; }
  std::string noun() const override { return "examples"; }
  nn::Module& build(Device) override { throw ValueError("it has no model"); }
  std::unique_ptr<BatchStream> stream(Part, const StreamOptions&) override { return nullptr; }
  Explanation explain(Part, int64_t, int32_t) override { return {}; }
  std::string colour_note() const override { return {}; }
  void save(const std::string&) const override {}
  void restore(const std::string&, data::Labels) override {}

  std::vector<double> unit_weights(Part, int64_t, int32_t) override { return told_; }
  Predictions without_units(Part, int64_t, const std::vector<std::vector<size_t>>& removed) override {
    Predictions predictions{.classes = 2};
    for (const std::vector<size_t>& each : removed) {
      float p = 0.8f;
      for (const size_t unit : each) p *= unit == 4 || unit == 7 ? 0.5f : 1.0f;
      predictions.probabilities.insert(predictions.probabilities.end(), {p, 1 - p});
    }
    return predictions;
  }

 private:
  data::Labels labels_ = data::Labels::in_order({"a", "b"});
  std::vector<double> told_;
};

const Predictions predictions{.classes = 2, .probabilities = {0.8f, 0.2f, 0.8f, 0.2f, 0.8f, 0.2f, 0.8f, 0.2f}};

TEST(DeletionTest, RewardsWeightsThatPointAtWhatDecides) {
  TwoUnitsDecide task({0, 0, 0, 0, 0.6, 0, 0, 0.4, 0, 0});
  const DeletionCurves curves = test_deletion(task, Part::valid, predictions);
  EXPECT_EQ(curves.examples, 3);  // the fourth is predicted wrongly
  ASSERT_EQ(curves.removed.size(), 11u);
  EXPECT_NEAR(curves.attended[0], 0.8, 1e-6);
  EXPECT_NEAR(curves.attended[1], 0.4, 1e-6);
  EXPECT_NEAR(curves.attended[2], 0.2, 1e-6);
  EXPECT_NEAR(curves.attended[10], 0.2, 1e-6);
  EXPECT_NEAR(curves.random[0], 0.8, 1e-6);
  EXPECT_NEAR(curves.random[10], 0.2, 1e-6);
  double sum = 0;
  for (size_t i = 0; i < 11; ++i) sum += curves.random[i] - curves.attended[i];
  EXPECT_DOUBLE_EQ(curves.score(), sum / 11);
  EXPECT_GT(curves.score(), 0.1);
}

TEST(DeletionTest, PunishesWeightsThatPointElsewhere) {
  TwoUnitsDecide task({1, 1, 1, 1, 0, 1, 1, 0, 1, 1});
  EXPECT_LT(test_deletion(task, Part::valid, predictions).score(), -0.1);
}

TEST(DeletionTest, IsTheSameEachTimeAndEmptyWithoutWeights) {
  TwoUnitsDecide task({0, 0, 0, 0, 0.6, 0, 0, 0.4, 0, 0}), silent({});
  EXPECT_EQ(test_deletion(task, Part::valid, predictions).random, test_deletion(task, Part::valid, predictions).random);
  EXPECT_EQ(test_deletion(silent, Part::valid, predictions).examples, 0);
}

}  // namespace
}  // namespace fovea::train
