#include "fovea/train/tensorboard.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include "fovea/data/image_file.h"

namespace fovea::train {
namespace {

/// Folder, after the files of an earlier run are gone.
const std::string& cleared(const std::string& folder, bool keep) {
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("events.out.tfevents.") && name.ends_with(".fovea")) old.push_back(entry.path());
  }
  if (!keep) {
    for (const std::filesystem::path& path : old) std::filesystem::remove(path);
  }
  return folder;
}

std::string table_of(const OptionTable& options) {
  std::string out = "| option | value |\n| --- | --- |\n";
  for (const OptionTable::Option& option : options.options()) {
    if (option.rules.configuration) out += fmt::format("| {} | {} |\n", option.name, OptionTable::text(option));
  }
  return out;
}

}  // namespace

TensorBoard::TensorBoard(const std::string& folder, int64_t steps, const OptionTable& options)
    : folder_(folder), steps_(steps), options_(table_of(options)) {}

EventFile& TensorBoard::file() {
  if (file_) return *file_;
  file_.emplace(cleared(folder_, steps_ > 0));
  if (steps_ > 0) {
    file_->restart(steps_ + 1);
  } else {
    file_->text("options", 0, options_);
  }
  return *file_;
}

void TensorBoard::epoch(const EpochRecord& record, const nn::Module& model) {
  const int64_t step = record.step;
  file().scalar("loss/train", step, record.loss);
  if (!std::isnan(record.accuracy)) file().scalar("accuracy/train", step, record.accuracy);
  file().scalar("learning rate", step, record.lr);
  file().scalar("examples per second", step, record.examples_per_second);
  const std::pair<const char*, std::optional<double>> checked[] = {
      {"loss/valid", record.valid_loss},         {"accuracy/valid", record.valid_accuracy},
      {"macro F1/valid", record.valid_macro_f1}, {"micro F1/valid", record.valid_micro_f1},
      {"ROC AUC/valid", record.valid_roc_auc},   {"calibration error/valid", record.valid_calibration_error},
      {"Brier score/valid", record.valid_brier}};
  for (const auto& [tag, value] : checked) {
    if (value) file().scalar(tag, step, *value);
  }
  for (const nn::NamedTensor& parameter : model.named_parameters()) {
    file().histogram(parameter.name, step, parameter.tensor.detach().to_vector<float>());
  }
}

void TensorBoard::example(const std::string& tag, int64_t step, const Explanation& explanation) {
  if (explanation.png.empty()) return file().text(tag, step, explanation.text);
  const data::Image picture = data::decode_png(explanation.png, tag);
  file().image(
      tag, step,
      {.width = picture.width, .height = picture.height, .channels = picture.channels, .bytes = explanation.png});
}

}  // namespace fovea::train
