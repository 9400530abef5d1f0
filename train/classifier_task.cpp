#include "fovea/train/classifier_task.h"

#include "fovea/data/file_error.h"

namespace fovea::train {
namespace {

constexpr int64_t most_classes = 10000;  // what is counted by pairs of classes grows with their square
constexpr int64_t few_examples = 50;     // may all be different and yet be meant so

}  // namespace

void check_classes(const std::string& path, const std::string& column, const data::Labels& labels, int64_t examples) {
  const int64_t classes = labels.size();
  if (classes < 2)
    data::fail(path, "all labels are {}; a classifier needs two classes", data::in_quotes(labels.name(0)));
  if (classes <= most_classes && (examples < few_examples || 2 * classes <= examples)) return;
  data::fail(path, "{} different labels of {} examples{}: these are no classes", classes, examples,
             column.empty() ? "" : fmt::format(" in column {} (--label names another)", data::in_quotes(column)));
}

std::vector<int64_t> ClassifierTask::class_counts(Part part) const {
  std::vector<int64_t> counts(static_cast<size_t>(labels().size()));
  for (int64_t i = 0; i < size(part); ++i) ++counts[static_cast<size_t>(truth(part, i))];
  return counts;
}

onnx::Value ClassifierTask::build_graph(onnx::Graph&) { refuse_without_emit(); }

std::vector<nn::NamedTensor> ClassifierTask::graph_inputs(Part, std::span<const int64_t>) const { return {}; }

void refuse_without_emit() { refuse("this model does not say how it is written as ONNX: its task has no emit()"); }

}  // namespace fovea::train
