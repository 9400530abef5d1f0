#pragma once

#include <string>
#include <vector>

#include "fovea/train/trained_model.h"

namespace fovea::train {

struct PredictionOptions {
  bool explain = false;
  bool json = false;
};

/// The predictions of the inputs that the task was given last.
Predictions predictions_of(TrainedModel& trained);
/// One of them as a JSON object: label, probability, probabilities by class; with `explain` also what the model looked
/// at. Where an example may have several labels: labels, probabilities and, with `explain`, explanations by label, of those
/// that it was called, else of the most probable one.
std::string prediction_json(TrainedModel& trained, const Predictions& predictions, int64_t example, bool explain);

/// Prints one line for each example of the inputs: class (or labels), probability, input; in JSON an object. With `explain`
/// also what the model looked at. Throws DataError where an input is malformed.
void predict_inputs(TrainedModel& trained, const std::vector<std::string>& inputs, const PredictionOptions& options);
/// The same for the lines of standard input, as they come.
void predict_lines(TrainedModel& trained, const PredictionOptions& options);

}  // namespace fovea::train
