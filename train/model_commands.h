#pragma once

#include <string>
#include <vector>

#include "fovea/train/classifier_task.h"
#include "fovea/train/command_line.h"
#include "fovea/train/task_evaluation.h"
#include "fovea/train/trained_model.h"

namespace fovea::train {

/// The commands of a classifier that open a model which train wrote: evaluate, predict, export and serve.
std::vector<Command> model_commands(const std::string& program, const MakeTask& make_task);

/// Tests a model on a file. Throws DataError.
AnyEvaluation evaluate_on(TrainedModel& trained, const std::string& file);

}  // namespace fovea::train
