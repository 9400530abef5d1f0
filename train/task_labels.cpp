#include "fovea/train/task_labels.h"

#include <utility>

#include "fovea/data/file_error.h"
#include "fovea/train/classifier_task.h"

namespace fovea::train {
namespace {

constexpr std::string_view usual_separator = ",";

}  // namespace

void TaskLabels::declare_data(OptionTable& options) {
  options.add("label-separator", &separator_, "what stands between the labels of an example with --multi-label",
              {.placeholder = "TEXT", .unless = {"label-columns"}});
  options.add("label-columns", &columns_,
              "with --multi-label a column for each label, whose cells are 1 where an example has it, else 0 or empty",
              {.placeholder = "COLUMN[,COLUMN]",
               .default_text = "one column that names them",
               .unless = {"label", "label-column", "label-separator"}});
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
  if (columns_.empty()) return;
  if (!several_) refuse("--label-columns is of no use without --multi-label");
  if (separator_ != usual_separator) refuse("--label-separator is of no use with --label-columns");
}

const std::vector<std::string>& TaskLabels::columns(const std::string& label, std::string_view option) const {
  if (!columns_.empty() && !label.empty()) refuse("--{} does not go with --label-columns", option);
  return columns_;
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
  check_learned(path, column, static_cast<int64_t>(cells.size()));
  return ids(cells, places);
}

std::vector<int32_t> TaskLabels::ids(std::span<const std::string> cells, const data::LabelPlaces& places) {
  check();
  if (several_) return data::label_set_ids(split(cells, places), places, names_, sets_);
  return data::label_ids(cells, places, names_);
}

void TaskLabels::check_learned(const std::string& path, const std::string& column, int64_t examples) const {
  check_classes(path, column, names_, examples);
  const auto missing = static_cast<int64_t>(columns_.size()) - names_.size();
  if (missing <= 0) return;
  std::vector<std::string> names;
  for (int32_t i = 0; i < names_.size(); ++i) names.push_back(names_.name(i));
  data::fail(path, "{} of {} columns of labels hold no 1 (--label-columns); those that do are {}", missing,
             columns_.size(), data::list_in_quotes(names.data(), names.data() + names.size()));
}

std::vector<Part> TaskLabels::divide(std::span<const int32_t> ids, const TrainingFiles& files) const {
  return several_ ? train::divide(data::rarest_classes(ids, sets_, names_.size()), files) : train::divide(ids, files);
}

void TaskLabels::take(data::Labels names, data::LabelSets sets) {
  names_ = std::move(names);
  sets_ = std::move(sets);
}

}  // namespace fovea::train
