#pragma once

#include <cstdint>
#include <string>

#include "fovea/train/checkpoint.h"
#include "fovea/train/options.h"
#include "fovea/train/trainer.h"

namespace fovea::train {

/// What tells one training run from another: a run goes on only with the options and the data that it began with.
struct RunIdentity {
  const OptionTable& options;
  std::string train;  // the files, as the user named them
  std::string valid;
  uint64_t fingerprint = 0;  // of the data

  /// For Checkpoint::run.
  std::string describe() const;
  /// The same for the same options and data, wherever they lie.
  std::string name() const;
};

/// Gives options that the user left out, --train and --valid among them, the values of the run that a checkpoint in
/// `folder` holds. Throws DataError, UsageError.
void adopt_run(OptionTable& options, const Checkpoint& checkpoint, const std::string& folder);
/// Throws UsageError where the checkpoint in `folder` is of a run with other options or data than `run`, which
/// RunIdentity::describe gave.
void check_same_run(const Checkpoint& checkpoint, const std::string& run, const std::string& folder);

/// Makes the folder that a run writes into, and unless it resumes removes the checkpoint of an earlier one. Throws
/// DataError.
void prepare_folder(const std::string& folder, bool resume);

/// "complete", "stopped_early", "out_of_time", "interrupted".
const char* name(Ending ending);

}  // namespace fovea::train
