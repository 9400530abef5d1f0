#pragma once

#include <string>

#include "fovea/nn/module.h"
#include "fovea/train/event_file.h"
#include "fovea/train/explanation.h"
#include "fovea/train/history.h"
#include "fovea/train/options.h"

namespace fovea::train {

/// What a run shows in TensorBoard: `tensorboard --logdir DIR`.
class TensorBoard {
 public:
  /// `steps` are those of an earlier process that the run goes on behind; 0 for a new run, which removes the event files
  /// of an earlier one. Throws DataError.
  TensorBoard(const std::string& folder, int64_t steps, const OptionTable& options);

  /// The epoch's metrics, and how the weights are distributed.
  void epoch(const EpochRecord& record, const nn::Module& model);
  /// What the model looked at in an example: the picture where there is one, else the text.
  void example(const std::string& tag, int64_t step, const Explanation& explanation);

 private:
  EventFile file_;
};

}  // namespace fovea::train
