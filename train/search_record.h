#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/train/search_space.h"

namespace fovea::train {

/// What a trial of a search brought: a line of search.jsonl.
struct SearchRecord {
  int64_t trial = 0;   // from 1
  int64_t round = 1;   // from 1; of random search the only one
  int64_t epochs = 0;  // that it was allowed
  SearchPoint point = {};
  double accuracy = std::numeric_limits<double>::quiet_NaN();  // on held-out examples; with folds their mean
  double macro_f1 = std::numeric_limits<double>::quiet_NaN();
  double micro_f1 = std::numeric_limits<double>::quiet_NaN();  // see Scores
  double loss = std::numeric_limits<double>::quiet_NaN();
  double roc_auc = std::numeric_limits<double>::quiet_NaN();
  int64_t best_epoch = 0;
  double seconds = 0;
  std::string error = {};  // why there is no model

  /// The metric of this name ("accuracy", "macro_f1", "micro_f1", "roc_auc", "loss"), such that more is better; the least of
  /// all where there is none.
  double score(const std::string& metric) const;
};

/// One JSON object on one line, without a line break.
std::string to_json(const SearchRecord& record);
/// What to_json wrote. Throws DataError.
SearchRecord search_record_from_json(std::string_view text);

/// Best first; of equals the earlier, those that failed last.
std::vector<SearchRecord> ranked(std::vector<SearchRecord> records, const std::string& metric);

/// The first of ranked records, which are not none, for a terminal: a line each that did not fail below a head, in columns.
std::string trials_table(const std::vector<SearchRecord>& ranked);

}  // namespace fovea::train
