#include "fovea/train/classifier_task.h"

namespace fovea::train {

std::vector<int64_t> ClassifierTask::class_counts(Part part) const {
  std::vector<int64_t> counts(static_cast<size_t>(labels().size()));
  for (int64_t i = 0; i < size(part); ++i) ++counts[static_cast<size_t>(truth(part, i))];
  return counts;
}

}  // namespace fovea::train
