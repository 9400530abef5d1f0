#pragma once

#include <memory>
#include <string>

#include "fovea/nn/module.h"
#include "fovea/train/classifier_task.h"
#include "fovea/train/decision.h"
#include "fovea/train/training_options.h"

namespace fovea::train {

/// A task with the model that a folder holds.
struct TrainedModel {
  std::unique_ptr<ClassifierTask> task;
  nn::Module* model = nullptr;  // the task's
  int64_t batch_size = 32;
  Decision decision = {};
  std::string options = "{}";  // the configuration that it was trained with, a JSON object

  /// Reads a folder. How data is read is `given` by the command line's options, of `task` itself, else by the folder's.
  /// Throws DataError.
  static TrainedModel load(const std::string& folder, const std::string& program, std::unique_ptr<ClassifierTask> task,
                           const OptionTable& given, Device device);
};

}  // namespace fovea::train
