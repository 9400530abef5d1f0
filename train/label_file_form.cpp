#include "fovea/train/label_file_form.h"

namespace fovea::train {

void LabelFileForm::declare(OptionTable& options) {
  options.group("Labels");
  options.add(
      "labels", &labels_,
      "what tells the labels: a .csv, .tsv or .jsonl file, also .gz, with a row for each file of examples, named "
      "from the folder of these or from that of the labels; of pictures in an array a file of the same kind",
      {.placeholder = "FILE", .default_text = "folders, names, or the file beside an array", .configuration = false});
  options.add("file-column", &file_column_, "column of the files' names in --labels, by name or position from 0",
              {.placeholder = "COLUMN", .default_text = "file, file_name, filename or path, else the first"});
  options.add("label-column", &label_column_, "column of the labels in it",
              {.placeholder = "COLUMN",
               .default_text = "label or labels, else the first other one",
               .unless = {"label-columns"}});
  form_.declare(options);
}

void LabelFileForm::declare_training(OptionTable& options) {
  options.add("valid-labels", &valid_labels_, "the same as --labels for the examples of --valid",
              {.placeholder = "FILE", .default_text = "--labels", .configuration = false});
}

void LabelFileForm::check(const TaskLabels& labels, bool validates) const {
  if (!valid_labels_.empty() && !validates) refuse("--valid-labels is of no use without --valid");
  if (given() || !valid_labels_.empty()) return;
  const LabelFileForm usual;
  const std::string nothing = "labels without --labels";
  refuse_unused(false, "file-column", file_column_, usual.file_column_, nothing);
  refuse_unused(false, "label-column", label_column_, usual.label_column_, nothing);
  refuse_unused(false, "label-columns", labels.columns(label_column_, "label-column"), {}, nothing);
  refuse_unused(false, "no-header", form_.no_header, usual.form_.no_header, nothing);
  refuse_unused(false, "skip-lines", form_.skip_lines, usual.form_.skip_lines, nothing);
  refuse_unused(false, "delimiter", form_.delimiter, usual.form_.delimiter, nothing);
}

data::LabelFile LabelFileForm::file(const TaskLabels& labels, bool validates) const {
  return {.path = validates && !valid_labels_.empty() ? valid_labels_ : labels_,
          .file = file_column_,
          .label = label_column_,
          .table = form_.options(),
          .several_labels = labels.several(),
          .label_columns = labels.columns(label_column_, "label-column")};
}

}  // namespace fovea::train
