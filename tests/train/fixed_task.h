#pragma once

#include <utility>

#include "fovea/train/classifier_task.h"

// What functions of tasks are tested with.
namespace fovea::train {

/// A task of examples whose classes, or sets of classes, are given; all parts hold the same. It has no model.
class FixedTask : public ClassifierTask {
 public:
  FixedTask(std::vector<std::string> classes, std::vector<int32_t> truths)
      : labels_(data::Labels::in_order(std::move(classes))), truths_(std::move(truths)) {}
  FixedTask(std::vector<std::string> classes, const std::vector<std::vector<int32_t>>& truths)
      : FixedTask(std::move(classes), std::vector<int32_t>()) {
    sets_.emplace();
    for (const std::vector<int32_t>& each : truths) truths_.push_back(sets_->add(each));
  }

  void declare_data(OptionTable&) override {}
  void declare_model(OptionTable&) override {}
  void settle(const OptionTable&, TrainingOptions&) override {}
  void load_training(const TrainingFiles&) override {}
  void load_test(const std::string&) override {}
  std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) override { return inputs; }
  std::string input_kind() const override { return "example"; }
  const data::Labels& labels() const override { return labels_; }
  const data::LabelSets* label_sets() const override { return sets_ ? &*sets_ : nullptr; }
  int64_t size(Part) const override { return static_cast<int64_t>(truths_.size()); }
  int32_t truth(Part, int64_t example) const override { return truths_[static_cast<size_t>(example)]; }
  uint64_t fingerprint() const override { return 0; }
  std::string noun() const override { return "examples"; }
  nn::Module& build(Device) override { throw ValueError("it has no model"); }
  std::unique_ptr<BatchStream> stream(Part, const StreamOptions&) override { return nullptr; }
  Explanation explain(Part, int64_t, int32_t) override { return {}; }
  std::string colour_note() const override { return {}; }
  void save(const std::string&) const override {}
  void restore(const std::string&, data::Labels) override {}

  using ClassifierTask::with_label_rows;

 private:
  data::Labels labels_;
  std::vector<int32_t> truths_;
  std::optional<data::LabelSets> sets_;
};

}  // namespace fovea::train
