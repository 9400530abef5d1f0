#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::train {

/// What one epoch brought: one line of metrics.jsonl.
struct EpochRecord {
  int64_t epoch = 0;    // from 1
  int64_t step = 0;     // steps since the start of training
  double lr = 0;        // at the epoch's last step
  double loss = 0;      // means over the epoch, as the model changed
  double accuracy = 0;  // NaN where nothing is classified
  std::optional<double> valid_loss = std::nullopt;
  std::optional<double> valid_accuracy = std::nullopt;
  std::optional<double> valid_macro_f1 = std::nullopt;
  std::optional<double> valid_micro_f1 = std::nullopt;  // where examples have several labels
  std::optional<double> valid_roc_auc = std::nullopt;   // none where it is not defined
  std::optional<double> valid_calibration_error = std::nullopt;
  std::optional<double> valid_brier = std::nullopt;
  double seconds = 0;  // without the validation
  double examples_per_second = 0;
  bool best = false;  // better than every epoch before

  friend bool operator==(const EpochRecord&, const EpochRecord&) = default;
};

/// One JSON object on one line, without a line break.
std::string to_json(const EpochRecord& record);
/// What to_json wrote. Throws DataError.
EpochRecord epoch_record_from_json(std::string_view text);

/// metrics.jsonl: one line a record.
std::string to_jsonl(const std::vector<EpochRecord>& history);

/// "epoch 3/20  loss 0.4127  accuracy 0.8730  valid loss 0.5012  accuracy 0.8400 *  1.2 s": for people; the star marks
/// the best so far. Of several labels "micro F1 0.8400" in place of the second accuracy.
std::string epoch_line(const EpochRecord& record, int64_t epochs);

}  // namespace fovea::train
