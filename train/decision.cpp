#include "fovea/train/decision.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

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

int32_t Decision::of(std::span<const float> probabilities) const {
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

std::string Decision::to_json() const {
  Json object = Json::object();
  if (has_threshold()) object["threshold"] = threshold_;
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

namespace {

/// How well the counts of a threshold do; greater is better.
double value_of(const ConfusionMatrix& confusion, Goal goal, const CostMatrix& costs) {
  switch (goal) {
    case Goal::accuracy:
      return confusion.accuracy();
    case Goal::macro_f1:
      return confusion.macro_f1();
    default:
      return -costs.mean(confusion);
  }
}

}  // namespace

double choose_threshold(const ScoredExamples& examples, Goal goal, const CostMatrix& costs, Caller caller) {
  if (examples.classes != 2) {
    raise<ValueError>(caller, "choose_threshold: {} classes; a threshold parts two", examples.classes);
  }
  std::vector<int64_t> order(static_cast<size_t>(examples.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto score = [&](size_t i) { return static_cast<double>(examples.of(order[i])[1]); };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return examples.of(a)[1] < examples.of(b)[1]; });

  // Raising the threshold moves examples, one after the other, from what is called the second class to the first.
  const auto positives = std::count(examples.truths.begin(), examples.truths.end(), 1);
  std::array<int64_t, 2> below{0, 0};
  const std::array<int64_t, 2> all{examples.size() - positives, positives};
  double best = 0.5, best_value = -INFINITY;
  const auto consider = [&](double threshold) {
    const ConfusionMatrix confusion(2, {below[0], all[0] - below[0], below[1], all[1] - below[1]});
    const double value = value_of(confusion, goal, costs);
    const double gain = value - best_value;
    if (gain > 1e-12 || (gain > -1e-12 && std::abs(threshold - 0.5) < std::abs(best - 0.5))) {
      best_value = std::max(value, best_value);
      best = threshold;
    }
  };
  for (size_t i = 0; i <= order.size(); ++i) {
    const double low = i == 0 ? 0 : score(i - 1), high = i == order.size() ? 1 : score(i);
    if (low < high) {
      // A half lies between them, too: then it is as good as any.
      consider(low < 0.5 && 0.5 <= high ? 0.5 : (low + high) / 2);
    }
    if (i < order.size()) ++below[static_cast<size_t>(examples.truths[static_cast<size_t>(order[i])])];
  }
  return best;
}

}  // namespace fovea::train
