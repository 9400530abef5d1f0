#pragma once

#include <fovea/fovea.h>

#include <string>

#include "model_options.h"

/// The `train` command: reads a text, trains, shows how it goes, writes the model's folder; goes on with an interrupted
/// run.
class Training {
 public:
  Training();
  void declare(fovea::train::OptionTable& options);
  /// Returns the exit status. Throws UsageError, DataError; until all input has been read nothing is written.
  int run(fovea::train::OptionTable& options);

 private:
  struct Texts {
    std::string train, valid;
    uint64_t fingerprint = 0;
  };
  Texts read() const;

  std::string train_, valid_, out_, config_;
  double hold_out_ = 0.1;
  ModelOptions model_;
  fovea::train::TrainingOptions training_;
  fovea::train::RunOptions run_;
};
