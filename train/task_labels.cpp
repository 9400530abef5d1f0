#include "fovea/train/task_labels.h"

#include <utility>

#include "fovea/train/classifier_task.h"

namespace fovea::train {
namespace {

constexpr std::string_view usual_separator = ",";

}  // namespace

void TaskLabels::declare_data(OptionTable& options) {
  options.add("label-separator", &separator_, "what stands between the labels of an example with --multi-label",
              {.placeholder = "TEXT"});
}

void TaskLabels::declare_model(OptionTable& options) {
  options.group("Labels");
  options.add("multi-label", &several_,
              "an example may have any number of the classes: its label's cell holds several or is empty, or in .jsonl "
              "is a list");
}

void TaskLabels::check() const {
  if (separator_.empty()) refuse("--label-separator: \"\" separates nothing");
  if (!several_ && separator_ != usual_separator) refuse("--label-separator is of no use without --multi-label");
}

std::vector<std::vector<std::string>> TaskLabels::split(std::span<const std::string> cells,
                                                        const data::LabelPlaces& places) const {
  std::vector<std::vector<std::string>> names;
  for (size_t i = 0; i < cells.size(); ++i) names.push_back(data::split_labels(cells[i], separator_, places, i));
  return names;
}

std::vector<int32_t> TaskLabels::learn(const std::string& path, const std::string& column,
                                       std::span<const std::string> cells, const data::LabelPlaces& places) {
  check();
  std::vector<std::string> all;
  if (several_) {
    for (std::vector<std::string>& names : split(cells, places)) {
      all.insert(all.end(), std::move_iterator(names.begin()), std::move_iterator(names.end()));
    }
  }
  take(data::Labels::sorted(several_ ? std::span<const std::string>(all) : cells));
  check_classes(path, column, names_, static_cast<int64_t>(cells.size()));
  return ids(cells, places);
}

std::vector<int32_t> TaskLabels::ids(std::span<const std::string> cells, const data::LabelPlaces& places) {
  check();
  if (several_) return data::label_set_ids(split(cells, places), places, names_, sets_);
  return data::label_ids(cells, places, names_);
}

std::vector<Part> TaskLabels::divide(std::span<const int32_t> ids, const TrainingFiles& files) const {
  return several_ ? train::divide(data::rarest_classes(ids, sets_, names_.size()), files) : train::divide(ids, files);
}

void TaskLabels::take(data::Labels names, data::LabelSets sets) {
  names_ = std::move(names);
  sets_ = std::move(sets);
}

}  // namespace fovea::train
