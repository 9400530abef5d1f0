#include "fovea/train/classifier_task.h"

namespace fovea::train {

std::vector<int64_t> ClassifierTask::class_counts(Part part) const {
  std::vector<int64_t> counts(static_cast<size_t>(labels().size()));
  for (int64_t i = 0; i < size(part); ++i) ++counts[static_cast<size_t>(truth(part, i))];
  return counts;
}

onnx::Value ClassifierTask::build_graph(onnx::Graph&) {
  refuse("this model does not say how it is written as ONNX: its task has no emit()");
}

std::vector<nn::NamedTensor> ClassifierTask::graph_inputs(Part, std::span<const int64_t>) const { return {}; }

}  // namespace fovea::train
