#include "fovea/train/classifier_task.h"

#include "fovea/data/file_error.h"
#include "fovea/tensor/creation.h"

namespace fovea::train {
namespace {

constexpr int64_t most_classes = 10000;  // what is counted by pairs of classes grows with their square
constexpr int64_t few_examples = 50;     // may all be different and yet be meant so

/// A stream with a row of 0 and 1 for each example in place of the number of its set.
class LabelRowStream final : public BatchStream {
 public:
  LabelRowStream(const ClassifierTask& task, Part part, std::unique_ptr<BatchStream> stream)
      : task_(task), part_(part), stream_(std::move(stream)) {}

  int64_t batches() const override { return stream_->batches(); }
  void seek(int64_t epoch, int64_t batch) override { stream_->seek(epoch, batch); }
  std::optional<Outcome> next() override {
    std::optional<Outcome> outcome = stream_->next();
    if (!outcome || !outcome->labels.defined()) return outcome;
    std::vector<int32_t> sets;
    for (const int64_t example : outcome->examples) sets.push_back(task_.truth(part_, example));
    outcome->labels = task_.label_rows(sets, outcome->logits.device());
    return outcome;
  }

 private:
  const ClassifierTask& task_;
  Part part_;
  std::unique_ptr<BatchStream> stream_;
};

}  // namespace

void check_classes(const std::string& path, const std::string& column, const data::Labels& labels, int64_t examples) {
  const int64_t classes = labels.size();
  if (classes == 0) data::fail(path, "no example has a label; a classifier needs two classes");
  if (classes < 2)
    data::fail(path, "all labels are {}; a classifier needs two classes", data::in_quotes(labels.name(0)));
  if (classes <= most_classes && (examples < few_examples || 2 * classes <= examples)) return;
  data::fail(path, "{} different labels of {} examples{}: these are no classes", classes, examples,
             column.empty() ? "" : fmt::format(" in column {} (--label names another)", data::in_quotes(column)));
}

std::vector<int64_t> ClassifierTask::class_counts(Part part) const {
  std::vector<int64_t> counts(static_cast<size_t>(labels().size()));
  for (int64_t i = 0; i < size(part); ++i) {
    for (const int32_t label : truths(part, i)) ++counts[static_cast<size_t>(label)];
  }
  return counts;
}

std::vector<int32_t> ClassifierTask::classes_of(int32_t truth) const {
  if (!multi_label()) return {truth};
  const std::span<const int32_t> set = (*label_sets())[truth];
  return {set.begin(), set.end()};
}

Tensor ClassifierTask::label_rows(std::span<const int32_t> sets, Device device) const {
  const Shape shape{static_cast<int64_t>(sets.size()), labels().size()};
  std::vector<float> rows(static_cast<size_t>(shape.numel()));
  float* row = rows.data();
  for (const int32_t set : sets) {
    for (const int32_t label : (*label_sets())[set]) row[label] = 1;
    row += shape[1];
  }
  return from_vector(rows, shape, device);
}

std::unique_ptr<BatchStream> ClassifierTask::with_label_rows(Part part, std::unique_ptr<BatchStream> stream) const {
  if (!multi_label()) return stream;
  return std::make_unique<LabelRowStream>(*this, part, std::move(stream));
}

TrainerOptions trainer_options(const ClassifierTask& task, const TrainingOptions& training, Device device) {
  TrainerOptions options = training.trainer();
  const std::vector<int64_t> counts = task.class_counts(Part::train);
  options.multi_label = task.multi_label();
  options.class_weights = options.multi_label ? training.positive_weights(counts, task.size(Part::train), device)
                                              : training.class_weights(counts, device);
  return options;
}

onnx::Value ClassifierTask::build_graph(onnx::Graph&) { refuse_without_emit(); }

std::vector<nn::NamedTensor> ClassifierTask::graph_inputs(Part, std::span<const int64_t>) const { return {}; }

void refuse_without_emit() { refuse("this model does not say how it is written as ONNX: its task has no emit()"); }

}  // namespace fovea::train
