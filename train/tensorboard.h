#pragma once

#include <optional>
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
  /// of an earlier one. Nothing is written or removed before there is something to show.
  TensorBoard(const std::string& folder, int64_t steps, const OptionTable& options);

  /// The epoch's metrics, and how the weights are distributed. Throws DataError.
  void epoch(const EpochRecord& record, const nn::Module& model);
  /// What the model looked at in an example: the picture where there is one, else the text.
  void example(const std::string& tag, int64_t step, const Explanation& explanation);

 private:
  EventFile& file();

  std::string folder_;
  int64_t steps_;
  std::string options_;  // a table of them
  std::optional<EventFile> file_;
};

}  // namespace fovea::train
