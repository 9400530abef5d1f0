#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fovea/data/file_error.h"
#include "fovea/data/image_dataset.h"
#include "fovea/data/string_index.h"
#include "fovea/train/classifier_task.h"
#include "fovea/train/label_file_form.h"
#include "fovea/train/split.h"
#include "fovea/train/task_labels.h"

namespace fovea::train {

/// What tasks share whose examples are a Dataset that is read whole: it has `size()`, the class names `labels` (empty
/// where they are not known) and `label_rows`, where they stand, `names` of the examples for messages and `bytes(example)`,
/// what it is made of.
template <class Dataset>
class DatasetTask : public ClassifierTask {
 public:
  void declare_data(OptionTable& options) override {
    label_file_.declare(options);
    labels_.declare_data(options);
  }
  void declare_training_data(OptionTable& options) override { label_file_.declare_training(options); }
  void declare_model(OptionTable& options) override { labels_.declare_model(options); }

  void load_training(const TrainingFiles& files) override {
    label_file_.check(labels_, !files.valid.empty());
    labels_.check();
    auto train = std::make_shared<const Dataset>(read(files.train, label_file_.file(labels_)));
    const std::string& told_by = train->label_rows.path;
    const std::vector<int32_t> ids =
        labels_.learn(told_by.empty() ? files.train : told_by, "", train->labels, data::label_places(*train));
    fingerprint_ = hash_of(*train, 0);
    adopt_form(*train);
    for (const Part part : {Part::train, Part::valid, Part::test}) at(part) = {train, {}, ids};
    const std::vector<Part> parts = labels_.divide(ids, files);
    for (size_t row = 0; row < parts.size(); ++row) at(parts[row]).rows.push_back(static_cast<int64_t>(row));
    if (!files.valid.empty()) {
      at(Part::valid) = labelled(read(files.valid, label_file_.file(labels_, true)));
      fingerprint_ = hash_of(*at(Part::valid).set, fingerprint_);
    }
  }
  void load_test(const std::string& path) override { at(Part::test) = labelled(read(path, label_file_.file(labels_))); }
  std::vector<std::string> set_inputs(const std::vector<std::string>& inputs) override {
    return predict_all(std::make_shared<const Dataset>(read_unlabelled(inputs)));
  }
  void set_contents(std::span<const std::string> contents) override {
    predict_all(std::make_shared<const Dataset>(read_contents(contents)));
  }
  std::string input_kind() const override { return "file"; }

  const data::Labels& labels() const override { return labels_.names(); }
  const data::LabelSets* label_sets() const override { return labels_.sets(); }
  int64_t size(Part part) const override { return static_cast<int64_t>(at(part).rows.size()); }
  int32_t truth(Part part, int64_t example) const override {
    return at(part).labels[static_cast<size_t>(at(part).row(example))];
  }
  uint64_t fingerprint() const override { return fingerprint_; }
  /// Of the columns of a table of labels; tasks that have more to tell add to it.
  std::string reading_note() const override {
    for (const Part part : {Part::train, Part::test}) {
      if (!at(part).set || at(part).set->label_rows.columns.empty()) continue;
      const std::vector<std::string>& columns = at(part).set->label_rows.columns;
      return fmt::format("file {}, label {}", data::in_quotes(columns[0]), data::in_quotes(columns[1]));
    }
    return {};
  }

  void save(const std::string&) const override {}
  void restore(const std::string&, data::Labels labels) override { labels_.take(std::move(labels)); }

 protected:
  /// Some examples of a set, and the class ids of all of it.
  struct Examples {
    std::shared_ptr<const Dataset> set;
    std::vector<int64_t> rows;
    std::vector<int32_t> labels;  // see truth(); empty where they are not known

    int64_t row(int64_t example) const { return rows[static_cast<size_t>(example)]; }
    std::vector<int64_t> rows_of(std::span<const int64_t> examples) const {
      std::vector<int64_t> chosen;
      for (const int64_t example : examples) chosen.push_back(row(example));
      return chosen;
    }
    /// The label of each of `rows`; empty where they are not known.
    std::vector<int32_t> classes() const {
      std::vector<int32_t> found;
      if (labels.empty()) return found;
      for (const int64_t row : rows) found.push_back(labels[static_cast<size_t>(row)]);
      return found;
    }
  };

  virtual Dataset read(const std::string& source, const data::LabelFile& labels) const = 0;
  virtual Dataset read_unlabelled(const std::vector<std::string>& sources) const = 0;
  /// The same of files' bytes.
  virtual Dataset read_contents(std::span<const std::string> contents) const = 0;
  /// Takes from the training examples what all others must agree with.
  virtual void adopt_form(const Dataset& train) = 0;

  /// Whether a file tells the labels.
  bool labelled_by_file() const { return label_file_.given(); }
  const Examples& at(Part part) const { return parts_[static_cast<size_t>(part)]; }
  Examples& at(Part part) { return parts_[static_cast<size_t>(part)]; }

 private:
  std::vector<std::string> predict_all(std::shared_ptr<const Dataset> set) {
    std::vector<std::string> names = set->names;
    std::vector<int64_t> rows = rows_of(*set);
    at(Part::test) = {std::move(set), std::move(rows), {}};
    return names;
  }
  static std::vector<int64_t> rows_of(const Dataset& set) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < set.size(); ++i) rows.push_back(i);
    return rows;
  }
  static uint64_t hash_of(const Dataset& set, uint64_t hash) {
    for (int64_t i = 0; i < set.size(); ++i) {
      hash = hash * 0x9e3779b97f4a7c15u + data::hash_bytes(set.bytes(i));
      hash = hash * 0x9e3779b97f4a7c15u + data::hash_bytes(set.labels[static_cast<size_t>(i)]);
    }
    return hash;
  }
  Examples labelled(Dataset read) {
    auto set = std::make_shared<const Dataset>(std::move(read));
    std::vector<int32_t> ids = labels_.ids(set->labels, data::label_places(*set));
    std::vector<int64_t> rows = rows_of(*set);
    return {std::move(set), std::move(rows), std::move(ids)};
  }

  LabelFileForm label_file_;
  TaskLabels labels_;
  std::array<Examples, 3> parts_;
  uint64_t fingerprint_ = 0;
};

}  // namespace fovea::train
