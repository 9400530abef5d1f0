#include "fovea/train/trained_model.h"

#include "fovea/data/file_error.h"
#include "fovea/train/model_folder.h"

namespace fovea::train {

TrainedModel TrainedModel::load(const std::string& folder, const std::string& program,
                                std::unique_ptr<ClassifierTask> task, const OptionTable& given, Device device) {
  ModelConfig config = load_config(folder, program);
  if (config.labels.size() < 2) {
    data::fail(config_path(folder), "a model needs two classes; it has {}", config.labels.size());
  }
  TrainingOptions training;
  double hold_out = 0;
  OptionTable options;
  task->declare_data(options);
  options.take_given(given);
  options.add("hold-out", &hold_out, "");
  task->declare_model(options);
  training.declare(options);
  try {
    options.from_json(config.options, config_path(folder));
  } catch (const UsageError& error) {
    throw DataError(error.what());
  }
  Decision decision;
  try {
    decision = Decision::from_json(config.decision, config.labels.size());
  } catch (const ValueError&) {
    data::fail(config_path(folder), "its decision does not fit its classes");
  }
  if (task->multi_label() && config.decision == Decision().to_json()) decision = Decision::by_label();
  if (task->multi_label() != decision.is_by_label()) {
    data::fail(config_path(folder), "its decision does not fit its option multi-label");
  }
  task->restore(folder, std::move(config.labels));
  check_files(folder, config);
  nn::Module& model = task->build(device);
  load_weights(folder, model, config.run);
  return {std::move(task), &model, training.batch_size, std::move(decision), std::move(config.options)};
}

}  // namespace fovea::train
