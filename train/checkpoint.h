#pragma once

#include <string>

#include "fovea/nn/module.h"

namespace fovea::train {

/// All that a run needs to go on: one safetensors file, so that it is either there as a whole or not at all.
struct Checkpoint {
  nn::StateDict model;
  nn::StateDict optimizer;
  nn::StateDict best;      // the weights of the best epoch so far; empty where there is none
  nn::StateDict averages;  // of nn::AveragedModel; empty where there are none
  std::string state;       // the trainer's own counts, as JSON
  std::string run;         // what the run is about, in its maker's words: compared, not understood
};

/// Throws DataError where the file cannot be written; what it held before stays then.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
/// Throws DataError where the file is not a checkpoint.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace fovea::train
