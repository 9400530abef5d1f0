#include "fovea/train/search_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/data/parse_json.h"
#include "fovea/train/json_text.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

struct SearchMetric {
  const char* name;
  double SearchRecord::*value;
};

constexpr std::array search_metrics{
    SearchMetric{"accuracy", &SearchRecord::accuracy}, SearchMetric{"macro_f1", &SearchRecord::macro_f1},
    SearchMetric{"micro_f1", &SearchRecord::micro_f1}, SearchMetric{"loss", &SearchRecord::loss},
    SearchMetric{"roc_auc", &SearchRecord::roc_auc}};

constexpr size_t most_table_rows = 10;

}  // namespace

double SearchRecord::score(const std::string& metric) const {
  for (const SearchMetric& each : search_metrics) {
    const double value = this->*each.value;
    if (metric == each.name && error.empty() && !std::isnan(value)) return metric == "loss" ? -value : value;
  }
  return -std::numeric_limits<double>::infinity();
}

std::string to_json(const SearchRecord& record) {
  Json options = Json::object();
  for (const auto& [name, word] : record.point) options[name] = word;
  Json object{{"trial", record.trial}, {"round", record.round}, {"epochs", record.epochs}, {"options", options}};
  for (const SearchMetric& each : search_metrics) {
    if (!std::isnan(record.*each.value)) object[each.name] = record.*each.value;
  }
  object["best_epoch"] = record.best_epoch;
  object["seconds"] = record.seconds;
  if (!record.error.empty()) object["error"] = record.error;
  return json_text(object);
}

SearchRecord search_record_from_json(std::string_view text) {
  try {
    const Json object = data::parse_json<Json>("search.jsonl", text);
    SearchRecord record{.trial = object.at("trial").get<int64_t>(),
                        .round = object.at("round").get<int64_t>(),
                        .epochs = object.at("epochs").get<int64_t>(),
                        .best_epoch = object.at("best_epoch").get<int64_t>(),
                        .seconds = object.at("seconds").get<double>(),
                        .error = object.value("error", "")};
    for (const auto& [name, word] : object.at("options").items()) {
      record.point.emplace_back(name, word.get<std::string>());
    }
    for (const SearchMetric& each : search_metrics) {
      record.*each.value = object.value(each.name, std::numeric_limits<double>::quiet_NaN());
    }
    return record;
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("not a trial's result: {}", error.what()));
  }
}

std::vector<SearchRecord> ranked(std::vector<SearchRecord> records, const std::string& metric) {
  std::stable_sort(records.begin(), records.end(), [&](const SearchRecord& a, const SearchRecord& b) {
    const double first = a.score(metric), second = b.score(metric);
    if (first != second) return first > second;
    if (a.error.empty() != b.error.empty()) return a.error.empty();
    const auto loss_of = [](const SearchRecord& r) { return std::isnan(r.loss) ? HUGE_VAL : r.loss; };
    return loss_of(a) != loss_of(b) ? loss_of(a) < loss_of(b) : a.trial < b.trial;
  });
  return records;
}

std::string trials_table(const std::vector<SearchRecord>& ranked) {
  std::vector<std::vector<std::string>> rows{{"trial", "accuracy", "macro F1", "loss", "epochs", "seconds"}};
  for (const auto& [name, word] : ranked.front().point) rows.front().push_back(name);
  const bool several = !std::isnan(ranked.front().micro_f1);
  if (several) rows.front().insert(rows.front().begin() + 3, "micro F1");
  for (size_t i = 0; i < std::min(ranked.size(), most_table_rows); ++i) {
    const SearchRecord& record = ranked[i];
    if (!record.error.empty()) continue;
    std::vector<std::string> row{std::to_string(record.trial),           fmt::format("{:.4f}", record.accuracy),
                                 fmt::format("{:.4f}", record.macro_f1), fmt::format("{:.4f}", record.loss),
                                 std::to_string(record.epochs),          fmt::format("{:.1f}", record.seconds)};
    for (const auto& [name, word] : record.point) row.push_back(word);
    if (several) row.insert(row.begin() + 3, fmt::format("{:.4f}", record.micro_f1));
    rows.push_back(std::move(row));
  }
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) out += fmt::format("{}{:>{}}", c > 0 ? "  " : "", row[c], widths[c]);
    out += '\n';
  }
  return out;
}

}  // namespace fovea::train
