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

namespace {

double checked_threshold(double threshold, Caller caller) {
  if (!(threshold >= 0 && threshold <= 1)) raise<ValueError>(caller, "Decision: a threshold of {}", threshold);
  return threshold;
}

}  // namespace

Decision Decision::at_threshold(double threshold, Caller caller) {
  Decision decision;
  decision.threshold_ = checked_threshold(threshold, caller);
  return decision;
}

Decision Decision::at_least_cost(CostMatrix costs) {
  Decision decision;
  decision.costs_ = std::move(costs);
  return decision;
}

Decision Decision::by_label(double threshold, Caller caller) {
  Decision decision;
  decision.label_threshold_ = checked_threshold(threshold, caller);
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

std::vector<int32_t> Decision::all_of(std::span<const float> probabilities) const {
  if (!is_by_label()) return {of(probabilities)};
  std::vector<int32_t> called;
  for (size_t label = 0; label < probabilities.size(); ++label) {
    if (probabilities[label] >= label_threshold_) called.push_back(static_cast<int32_t>(label));
  }
  return called;
}

std::string Decision::to_json() const {
  Json object = Json::object();
  if (has_threshold()) object["threshold"] = threshold_;
  if (is_by_label()) object["label_threshold"] = label_threshold_;
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
    if (object.contains("label_threshold")) return by_label(object["label_threshold"].get<double>(), caller);
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
    case Goal::micro_f1:  // of one class each the same
      return confusion.accuracy();
    case Goal::macro_f1:
      return confusion.macro_f1();
    default:
      return -costs.mean(confusion);
  }
}

/// The best threshold between ascending probabilities: `value()` tells how good the one is that lies above those that
/// `raise(i)` was called for.
template <class Value, class Raise>
double best_threshold(const std::vector<float>& ascending, const Value& value, const Raise& raise) {
  double best = 0.5, best_value = -INFINITY;
  const auto consider = [&](double threshold) {
    const double now = value();
    const double gain = now - best_value;
    if (gain > 1e-12 || (gain > -1e-12 && std::abs(threshold - 0.5) < std::abs(best - 0.5))) {
      best_value = std::max(now, best_value);
      best = threshold;
    }
  };
  for (size_t i = 0; i <= ascending.size(); ++i) {
    const double low = i == 0 ? 0 : ascending[i - 1], high = i == ascending.size() ? 1 : ascending[i];
    if (low < high) {
      // A half lies between them, too: then it is as good as any.
      consider(low < 0.5 && 0.5 <= high ? 0.5 : (low + high) / 2);
    }
    if (i < ascending.size()) raise(i);
  }
  return best;
}

/// The places of `count` scores in ascending order, and the scores so.
template <class Score>
std::pair<std::vector<size_t>, std::vector<float>> ascending(size_t count, const Score& score) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score(a) < score(b); });
  std::vector<float> scores;
  for (const size_t i : order) scores.push_back(score(i));
  return {std::move(order), std::move(scores)};
}

/// The counts of a threshold for labels, which rises.
class RisingLabels {
 public:
  explicit RisingLabels(const ScoredLabels& examples)
      : examples_(examples),
        counts_(static_cast<size_t>(examples.labels)),
        wrong_(static_cast<size_t>(examples.size())) {
    for (size_t i = 0; i < examples.truths.size(); ++i) {
      Counts& label = counts_[i % counts_.size()];
      ++label.called;
      label.is += examples.truths[i];
      label.right += examples.truths[i];
      wrong_[i / counts_.size()] += !examples.truths[i];
    }
    for (const Counts& label : counts_) {
      total_.is += label.is;
      total_.called += label.called;
      total_.right += label.right;
      f1_sum_ += label.f1();
    }
    right_examples_ = std::count(wrong_.begin(), wrong_.end(), 0);
  }

  /// Decision i is no longer that its label holds.
  void raise(size_t i) {
    Counts& label = counts_[i % counts_.size()];
    int64_t& wrong = wrong_[i / counts_.size()];
    const int64_t holds = examples_.truths[i];
    f1_sum_ -= label.f1();
    for (Counts* counts : {&label, &total_}) {
      --counts->called;
      counts->right -= holds;
    }
    f1_sum_ += label.f1();
    right_examples_ -= wrong == 0;
    wrong += holds ? 1 : -1;
    right_examples_ += wrong == 0;
  }

  double value(Goal goal) const {
    return goal == Goal::accuracy   ? static_cast<double>(right_examples_) / static_cast<double>(wrong_.size())
           : goal == Goal::macro_f1 ? f1_sum_ / static_cast<double>(counts_.size())
                                    : total_.f1();
  }

 private:
  struct Counts {
    int64_t is = 0, called = 0, right = 0;
    double f1() const {
      return is + called > 0 ? 2.0 * static_cast<double>(right) / static_cast<double>(is + called) : 0;
    }
  };

  const ScoredLabels& examples_;
  std::vector<Counts> counts_;  // by label
  Counts total_;
  std::vector<int64_t> wrong_;  // by example: how many decisions
  double f1_sum_ = 0;
  int64_t right_examples_ = 0;
};

}  // namespace

double choose_threshold(const ScoredExamples& examples, Goal goal, const CostMatrix& costs, Caller caller) {
  if (examples.classes != 2) {
    raise<ValueError>(caller, "choose_threshold: {} classes; a threshold parts two", examples.classes);
  }
  const auto [order, scores] =
      ascending(examples.truths.size(), [&](size_t i) { return examples.probabilities[2 * i + 1]; });

  // Raising the threshold moves examples, one after the other, from what is called the second class to the first.
  const auto positives = std::count(examples.truths.begin(), examples.truths.end(), 1);
  std::array<int64_t, 2> below{0, 0};
  const std::array<int64_t, 2> all{examples.size() - positives, positives};
  return best_threshold(
      scores,
      [&] {
        return value_of(ConfusionMatrix(2, {below[0], all[0] - below[0], below[1], all[1] - below[1]}), goal, costs);
      },
      [&, &places = order](size_t i) { ++below[static_cast<size_t>(examples.truths[places[i]])]; });
}

double choose_label_threshold(const ScoredLabels& examples, Goal goal, Caller caller) {
  if (goal == Goal::cost) raise<ValueError>(caller, "choose_label_threshold: labels have no costs");
  const auto [order, scores] = ascending(examples.truths.size(), [&](size_t i) { return examples.probabilities[i]; });
  RisingLabels rising(examples);
  return best_threshold(
      scores, [&] { return rising.value(goal); }, [&, &places = order](size_t i) { rising.raise(places[i]); });
}

}  // namespace fovea::train
