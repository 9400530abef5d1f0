#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fovea/train/checkpoint.h"
#include "fovea/train/model_folder.h"
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
  /// What name() would have been where only the options of such an object were known; "" where another one has not its usual
  /// value.
  std::string name_among(const std::string& options) const;
};

/// Gives options that the user left out, --train and --valid among them, the values of the run that a checkpoint in
/// `folder` holds. Throws DataError, UsageError.
void adopt_run(OptionTable& options, const Checkpoint& checkpoint, const std::string& folder);
/// Throws UsageError where the checkpoint in `folder` is of a run with other options or data than `run`. An option that an
/// earlier version did not know had its usual value then.
void check_same_run(const Checkpoint& checkpoint, const RunIdentity& run, const std::string& folder);

/// The whole model that a run left in `folder`, where it left nothing to go on with. Throws DataError where it is of
/// another program.
std::optional<ModelConfig> finished_run(const std::string& folder, const std::string& program);
/// The same as adopt_run of a finished one.
void adopt_run(OptionTable& options, const ModelConfig& finished, const std::string& folder);
/// Throws UsageError where the finished run in `folder` had other options or data than `run`; of an earlier version as above.
void check_same_run(const ModelConfig& finished, const RunIdentity& run, const std::string& folder);

/// Makes a folder to write into and removes what killed runs left unfinished in it. Throws UsageError, DataError.
void prepare_folder(const std::string& folder);

/// Removes the checkpoint and the folds' results of an earlier run.
void forget_run(const std::string& folder);

/// The folder that a run writes a model into, alone. Where it was made for a run that leaves nothing in it, it goes again.
class RunFolder {
 public:
  /// Throws as prepare_folder does, where a config.json would be overwritten that is no model's, and where another run writes
  /// into it now.
  explicit RunFolder(const std::string& folder);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  std::vector<std::filesystem::path> made_;  // the innermost first
  int locked_ = -1;                          // a file descriptor, with which the lock ends, however the process does
};

}  // namespace fovea::train
