#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/label_sets.h"
#include "fovea/train/options.h"
#include "fovea/train/split.h"

namespace fovea::train {

/// The labels of a task's examples: one class each or, with --multi-label, any number of them.
class TaskLabels {
 public:
  /// --label-separator and --label-columns, behind the option that tells where labels stand.
  void declare_data(OptionTable& options);
  /// --multi-label.
  void declare_model(OptionTable& options);

  /// Throws UsageError where these do not go together.
  void check() const;

  /// Whether an example may have any number of classes.
  bool several() const { return several_; }
  const std::string& separator() const { return separator_; }
  /// --label-columns. Throws UsageError where `label`, the value of the option `option`, tells of a column, too.
  const std::vector<std::string>& columns(const std::string& label, std::string_view option) const;
  const data::Labels& names() const { return names_; }
  /// What ClassifierTask::label_sets tells.
  const data::LabelSets* sets() const { return several_ ? &sets_ : nullptr; }

  /// Takes the classes that training examples have, a cell for each; what ids() returns. `path` is the file that tells them,
  /// `column` where in it: see check_classes. Throws DataError, also where these are no classes, and UsageError.
  std::vector<int32_t> learn(const std::string& path, const std::string& column, std::span<const std::string> cells,
                             const data::LabelPlaces& places);
  /// What ClassifierTask::truth tells of examples with such cells. Throws DataError for a class that is not known, UsageError
  /// where the options do not go together.
  std::vector<int32_t> ids(std::span<const std::string> cells, const data::LabelPlaces& places);
  /// divide() by the class of each example, of several the rarest.
  std::vector<Part> divide(std::span<const int32_t> ids, const TrainingFiles& files) const;
  /// Throws DataError, as check_classes does, where the classes that training examples have are none, also where a column of
  /// --label-columns says that none has its label.
  void check_learned(const std::string& path, const std::string& column, int64_t examples) const;
  /// Takes classes that are known, and sets of them that are numbered already.
  void take(data::Labels names, data::LabelSets sets = {});

 private:
  std::vector<std::vector<std::string>> split(std::span<const std::string> cells,
                                              const data::LabelPlaces& places) const;

  bool several_ = false;
  std::string separator_ = ",";
  std::vector<std::string> columns_;
  data::Labels names_;
  data::LabelSets sets_;
};

}  // namespace fovea::train
