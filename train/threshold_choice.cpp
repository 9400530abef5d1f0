#include "fovea/train/threshold_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace fovea::train {
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

namespace {

constexpr size_t parts = 3;  // of the held-out examples

/// The mean of the thresholds that are best for a label where each of the parts, which have their share of the examples that
/// have it, is left out.
double mean_threshold(std::span<const float> probabilities, std::span<const uint8_t> truths, Caller caller) {
  double sum = 0;
  for (size_t left_out = 0; left_out < parts; ++left_out) {
    std::vector<float> kept;
    std::vector<uint8_t> kept_truths;
    std::array<size_t, 2> seen{};
    for (size_t i = 0; i < truths.size(); ++i) {
      if (seen[truths[i]]++ % parts == left_out) continue;
      kept.push_back(probabilities[i]);
      kept_truths.push_back(truths[i]);
    }
    sum += choose_label_threshold({1, kept, kept_truths}, Goal::micro_f1, caller);
  }
  return sum / parts;
}

}  // namespace

LabelThresholds choose_label_thresholds(const ScoredLabels& examples, Caller caller) {
  const double common = choose_label_threshold(examples, Goal::micro_f1, caller);
  const auto labels = static_cast<size_t>(examples.labels), count = static_cast<size_t>(examples.size());
  std::vector<double> each(labels, common);
  std::vector<float> probabilities(count);
  std::vector<uint8_t> truths(count);
  for (size_t label = 0; label < labels; ++label) {
    for (size_t i = 0; i < count; ++i) {
      probabilities[i] = examples.probabilities[i * labels + label];
      truths[i] = examples.truths[i * labels + label];
    }
    if (std::count(truths.begin(), truths.end(), 1) < least_holding) continue;
    each[label] = mean_threshold(probabilities, truths, caller);
  }
  return LabelThresholds::of_each(std::move(each), caller);
}

}  // namespace fovea::train
