#include "fovea/train/decision.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "fovea/data/file_error.h"
#include "fovea/data/parse_number.h"
#include "fovea/data/table.h"

namespace fovea::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double unknown = -1e300;  // a cost that no row has given yet

double parse_cost(const std::string& path, int64_t line, std::string_view text) {
  const std::optional<double> value = data::parse_number<double>(text);
  if (!value) data::fail_at(path, line, "the cost {} is not a number", data::in_quotes(text));
  return *value;
}

int32_t class_of(const std::string& path, int64_t line, std::string_view name, const data::Labels& labels) {
  if (const auto id = labels.find(name)) return *id;
  const std::string* names = labels.names().data();
  data::fail_at(path, line, "unknown class {}; the classes are {}", data::in_quotes(name),
                data::list_in_quotes(names, names + labels.names().size()));
}

}  // namespace

double CostMatrix::mean(const ConfusionMatrix& confusion) const {
  double sum = 0;
  for (int64_t truth = 0; truth < classes; ++truth) {
    for (int64_t predicted = 0; predicted < classes; ++predicted) {
      sum += of(truth, predicted) * static_cast<double>(confusion.count(truth, predicted));
    }
  }
  return confusion.examples() > 0 ? sum / static_cast<double>(confusion.examples()) : 0;
}

CostMatrix CostMatrix::load(const std::string& path, const data::Labels& labels) {
  const auto table = data::open_table(path, {.format = data::TableFormat::csv});
  const std::vector<std::string>& columns = table->columns();
  const int64_t classes = labels.size();
  if (static_cast<int64_t>(columns.size()) != classes + 1) {
    data::fail_at(path, 1, "{} columns, expected {}: one for the true class and one for each of {} classes",
                  columns.size(), classes + 1, classes);
  }
  std::vector<int32_t> predicted;
  for (size_t i = 1; i < columns.size(); ++i) {
    predicted.push_back(class_of(path, 1, columns[i], labels));
    if (std::count(predicted.begin(), predicted.end(), predicted.back()) > 1) {
      data::fail_at(path, 1, "the class {} stands there twice", data::in_quotes(columns[i]));
    }
  }
  CostMatrix matrix{classes, std::vector<double>(static_cast<size_t>(classes * classes), unknown)};
  for (data::Row row; table->next(row);) {
    const auto truth = static_cast<size_t>(class_of(path, row.line, row.fields[0], labels));
    double* costs = matrix.costs.data() + truth * static_cast<size_t>(classes);
    if (costs[0] != unknown) data::fail_at(path, row.line, "a second row of {}", data::in_quotes(row.fields[0]));
    for (size_t i = 0; i < predicted.size(); ++i) {
      costs[predicted[i]] = parse_cost(path, row.line, row.fields[i + 1]);
    }
  }
  for (int32_t c = 0; c < labels.size(); ++c) {
    if (matrix.of(c, 0) == unknown) data::fail(path, "no row of the class {}", data::in_quotes(labels.name(c)));
  }
  return matrix;
}

Decision Decision::at_threshold(double threshold, Caller caller) {
  if (!(threshold >= 0 && threshold <= 1)) raise<ValueError>(caller, "Decision: a threshold of {}", threshold);
  Decision decision;
  decision.threshold_ = threshold;
  return decision;
}

Decision Decision::at_least_cost(CostMatrix costs) {
  Decision decision;
  decision.costs_ = std::move(costs);
  return decision;
}

Decision Decision::by_label(LabelThresholds thresholds) {
  Decision decision;
  decision.label_thresholds_ = std::move(thresholds);
  return decision;
}

namespace {

/// The first of the labels that are furthest above their threshold, of equals the most probable one.
int32_t clearest(std::span<const float> probabilities, const LabelThresholds& thresholds) {
  const auto clearness = [&](size_t label) {
    return std::pair(probabilities[label] - thresholds[label], probabilities[label]);
  };
  size_t best = 0;
  for (size_t label = 1; label < probabilities.size(); ++label) {
    if (clearness(label) > clearness(best)) best = label;
  }
  return static_cast<int32_t>(best);
}

}  // namespace

int32_t Decision::of(std::span<const float> probabilities) const {
  if (is_by_label()) return clearest(probabilities, *label_thresholds_);
  if (has_threshold()) return probabilities[1] >= threshold_ ? 1 : 0;
  if (costs_.classes == 0) {
    return static_cast<int32_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
  }
  int32_t best = 0;
  double least = INFINITY;
  for (int64_t predicted = 0; predicted < costs_.classes; ++predicted) {
    double expected = 0;
    for (int64_t truth = 0; truth < costs_.classes; ++truth) {
      expected += probabilities[static_cast<size_t>(truth)] * costs_.of(truth, predicted);
    }
    if (expected < least) {
      least = expected;
      best = static_cast<int32_t>(predicted);
    }
  }
  return best;
}

std::vector<int32_t> Decision::all_of(std::span<const float> probabilities) const {
  if (!is_by_label()) return {of(probabilities)};
  std::vector<int32_t> called;
  for (size_t label = 0; label < probabilities.size(); ++label) {
    if (probabilities[label] >= (*label_thresholds_)[label]) called.push_back(static_cast<int32_t>(label));
  }
  return called;
}

std::string Decision::to_json() const {
  Json object = Json::object();
  if (has_threshold()) object["threshold"] = threshold_;
  if (is_by_label() && label_thresholds_->is_common()) {
    object["label_threshold"] = label_thresholds_->values()[0];
  } else if (is_by_label()) {
    object["label_thresholds"] = label_thresholds_->values();
  }
  for (int64_t truth = 0; truth < costs_.classes; ++truth) {
    Json& row = object["costs"].emplace_back(Json::array());
    for (int64_t predicted = 0; predicted < costs_.classes; ++predicted) row.push_back(costs_.of(truth, predicted));
  }
  return object.dump();
}

Decision Decision::from_json(std::string_view text, int64_t classes, Caller caller) {
  try {
    const Json object = Json::parse(text);
    if (object.contains("threshold")) {
      if (classes != 2) raise<ValueError>(caller, "Decision: a threshold for {} classes", classes);
      return at_threshold(object["threshold"].get<double>(), caller);
    }
    if (object.contains("label_threshold")) return by_label({object["label_threshold"].get<double>(), caller});
    if (object.contains("label_thresholds")) {
      auto each = object["label_thresholds"].get<std::vector<double>>();
      if (static_cast<int64_t>(each.size()) != classes) {
        raise<ValueError>(caller, "Decision: {} thresholds of {} labels", each.size(), classes);
      }
      return by_label(LabelThresholds::of_each(std::move(each), caller));
    }
    if (!object.contains("costs")) return {};
    CostMatrix costs{classes, {}};
    for (const Json& row : object["costs"]) {
      for (const Json& each : row) costs.costs.push_back(each.get<double>());
    }
    if (static_cast<int64_t>(costs.costs.size()) != classes * classes) {
      raise<ValueError>(caller, "Decision: {} costs for {} classes", costs.costs.size(), classes);
    }
    return at_least_cost(std::move(costs));
  } catch (const Json::exception& error) {
    raise<ValueError>(caller, "Decision: {}", error.what());
  }
}

}  // namespace fovea::train
