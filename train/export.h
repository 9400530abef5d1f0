#pragma once

#include <string>
#include <vector>

#include "fovea/train/trained_model.h"

// Trained models for other places than the program that trained them.
namespace fovea::train {

/// What was written.
struct Exported {
  std::vector<std::string> lines;  // for people
  size_t bytes;                    // of the model or its weights
};

/// Throws UsageError where `path`, which --onnx names, is one of the files of a model's folder.
void refuse_own_files(const std::string& folder, const std::string& path);

/// Writes the model of a folder as an ONNX file: from its inputs to `probabilities` [batch, classes], with program,
/// classes, decision and options among the metadata. Where `data` names labelled examples, also what the inputs hold for
/// the first of them, a batch, and the probabilities that the model gives: the folder FILE.test_data_set_0 with a tensor
/// a file (input_0.pb, ..., output_0.pb), as ONNX's own test data lie. Throws DataError, UsageError.
Exported export_onnx(const std::string& folder, const std::string& program, TrainedModel& trained,
                     const std::string& path, const std::string& data);

/// Writes a folder that evaluate and predict take as they take the model's, with weights in 8 bits (see
/// save_int8_weights). Throws DataError, UsageError where there is something in `out` already.
Exported export_int8(const std::string& folder, const std::string& program, const TrainedModel& trained,
                     const std::string& out);

}  // namespace fovea::train
