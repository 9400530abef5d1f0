#include "fovea/train/history.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/backends/error.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

std::optional<double> optional_number(const Json& object, const char* name) {
  return object.contains(name) ? std::optional(object.at(name).get<double>()) : std::nullopt;
}

/// A member of its own type; null stands for a number that is not finite, which JSON cannot hold.
double number(const Json& object, const char* name) {
  const Json& member = object.at(name);
  return member.is_null() ? std::numeric_limits<double>::quiet_NaN() : member.get<double>();
}

}  // namespace

std::string to_json(const EpochRecord& record) {
  Json object{{"epoch", record.epoch},
              {"step", record.step},
              {"lr", record.lr},
              {"loss", record.loss},
              {"accuracy", record.accuracy}};
  if (record.valid_loss) object["valid_loss"] = *record.valid_loss;
  if (record.valid_accuracy) object["valid_accuracy"] = *record.valid_accuracy;
  if (record.valid_macro_f1) object["valid_macro_f1"] = *record.valid_macro_f1;
  if (record.valid_micro_f1) object["valid_micro_f1"] = *record.valid_micro_f1;
  if (record.valid_roc_auc) object["valid_roc_auc"] = *record.valid_roc_auc;
  if (record.valid_calibration_error) object["valid_calibration_error"] = *record.valid_calibration_error;
  if (record.valid_brier) object["valid_brier"] = *record.valid_brier;
  object["seconds"] = record.seconds;
  object["examples_per_second"] = record.examples_per_second;
  object["best"] = record.best;
  return object.dump();
}

EpochRecord epoch_record_from_json(std::string_view text) {
  try {
    const Json object = Json::parse(text.begin(), text.end());
    return {.epoch = object.at("epoch").get<int64_t>(),
            .step = object.at("step").get<int64_t>(),
            .lr = number(object, "lr"),
            .loss = number(object, "loss"),
            .accuracy = number(object, "accuracy"),
            .valid_loss = optional_number(object, "valid_loss"),
            .valid_accuracy = optional_number(object, "valid_accuracy"),
            .valid_macro_f1 = optional_number(object, "valid_macro_f1"),
            .valid_micro_f1 = optional_number(object, "valid_micro_f1"),
            .valid_roc_auc = optional_number(object, "valid_roc_auc"),
            .valid_calibration_error = optional_number(object, "valid_calibration_error"),
            .valid_brier = optional_number(object, "valid_brier"),
            .seconds = number(object, "seconds"),
            .examples_per_second = number(object, "examples_per_second"),
            .best = object.at("best").get<bool>()};
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("not an epoch's record: {}", error.what()));
  }
}

std::string to_jsonl(const std::vector<EpochRecord>& history) {
  std::string out;
  for (const EpochRecord& record : history) out += to_json(record) + '\n';
  return out;
}

std::string epoch_line(const EpochRecord& record, int64_t epochs) {
  std::string out = fmt::format("epoch {}/{}  loss {:.4f}", record.epoch, epochs, record.loss);
  if (!std::isnan(record.accuracy)) out += fmt::format("  accuracy {:.4f}", record.accuracy);
  if (record.valid_loss) {
    out += fmt::format("  valid loss {:.4f}", *record.valid_loss);
    if (record.valid_micro_f1) {
      out += fmt::format("  micro F1 {:.4f}", *record.valid_micro_f1);
    } else if (record.valid_accuracy) {
      out += fmt::format("  accuracy {:.4f}", *record.valid_accuracy);
    }
    out += record.best ? " *" : "  ";
  }
  return out + fmt::format("  {:.1f} s", record.seconds);
}

}  // namespace fovea::train
