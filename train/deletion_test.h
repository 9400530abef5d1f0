#pragma once

#include <cstdint>

#include "fovea/train/classifier_task.h"
#include "fovea/train/deletion_curves.h"

namespace fovea::train {

struct DeletionTestOptions {
  int64_t most_examples = 40;  // spread evenly over those that are predicted rightly
  int64_t steps = 10;          // shares that are tried above 0
  int64_t orders = 3;          // random orders that the mean is over
  uint64_t seed = 1;
};

/// On examples of a labelled part that `predictions` has right.
DeletionCurves test_deletion(ClassifierTask& task, Part part, const Predictions& predictions,
                             DeletionTestOptions options = {});

}  // namespace fovea::train
