#pragma once

#include <string>

#include "fovea/data/label_file.h"
#include "fovea/train/options.h"
#include "fovea/train/table_form.h"
#include "fovea/train/task_labels.h"

namespace fovea::train {

/// What a command line says of the files that tell the labels of pictures or recordings.
class LabelFileForm {
 public:
  /// --labels and how such a file is written. Its columns belong to the configuration, the file does not.
  void declare(OptionTable& options);
  /// --valid-labels.
  void declare_training(OptionTable& options);

  /// Throws UsageError where options for training do not go together; `validates`: examples to validate with have files of
  /// their own.
  void check(const TaskLabels& labels, bool validates) const;
  bool given() const { return !labels_.empty(); }

  /// The file of examples to learn from or to test on, or of those to validate with. Throws UsageError where the
  /// delimiter is none.
  data::LabelFile file(const TaskLabels& labels, bool validates = false) const;

 private:
  std::string labels_, valid_labels_, file_column_, label_column_;
  TableForm form_;
};

}  // namespace fovea::train
