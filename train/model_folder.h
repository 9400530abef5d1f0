#pragma once

#include <functional>
#include <map>
#include <string>

#include "fovea/data/vocabulary.h"
#include "fovea/nn/module.h"

// What a trained model's folder holds: config.json with all that rebuilds the model, model.safetensors with its
// weights, and what the task adds.
namespace fovea::train {

/// config.json.
struct ModelConfig {
  std::string trainer;  // the program that made it: "text_classifier"
  std::string options;  // a JSON object, see OptionTable
  data::Labels labels;  // of a classifier; else none
  std::string run;      // names the run; the weights bear it too, so that files of two runs are not taken for one model
  std::string decision = "{}";  // how probabilities become classes, see Decision
  /// A hash of each file beside weights and options, by its name; none in models of earlier versions.
  std::map<std::string, std::string> files = {};
};

std::string config_path(const std::string& folder);
std::string weights_path(const std::string& folder);
std::string checkpoint_path(const std::string& folder);

/// Writes config.json. Throws DataError.
void save_config(const std::string& folder, const ModelConfig& config);
/// Writes config.json and what `write` puts into the folder that it is given. All of it is written beside what `folder`
/// holds and takes its place only then, config.json last: what fails leaves the model of before, and what is killed
/// between two files leaves none that loads. Throws DataError and what `write` throws.
void save_model(const std::string& folder, ModelConfig config, const std::function<void(const std::string&)>& write);
/// For ModelConfig::files.
std::map<std::string, std::string> hash_files(const std::string& folder);
/// Throws DataError where a file is not the one that config.json was written with.
void check_files(const std::string& folder, const ModelConfig& config);
/// Whether a folder's config.json is one that save_config wrote, for whatever program.
bool is_model_config(const std::string& folder);
/// Throws DataError where the folder holds no model, or one of another program.
ModelConfig load_config(const std::string& folder, const std::string& trainer);

/// Writes model.safetensors. Throws DataError.
void save_weights(const std::string& folder, const nn::Module& model, const std::string& run);
/// The same in 8 bits: each f32 parameter of two axes or more whose rows hold at least 8 numbers as I8 beside
/// `NAME.scale`, BF16, a scale a row; all else as it is. Throws DataError, ValueError where a parameter is not finite.
void save_int8_weights(const std::string& folder, const nn::Module& model, const std::string& run);
/// Weights in 8 bits become f32, and on the CPU those of layers that multiply by them stay in 8 bits, too, where that
/// pays (see multiply_in_int8). Throws DataError where the weights are absent, of another run, or of another model.
void load_weights(const std::string& folder, nn::Module& model, const std::string& run);
/// The run that a folder's weights are of; "" where it holds none.
std::string run_of_weights(const std::string& folder);

}  // namespace fovea::train
