#include "fovea/train/deletion_test.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/data/sampler.h"

namespace fovea::train {
namespace {

std::vector<size_t> heaviest_first(const std::vector<double>& weights) {
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
  return order;
}

/// Examples that are predicted rightly and have a class.
std::vector<int64_t> choose_examples(const ClassifierTask& task, Part part, const Predictions& predictions,
                                     int64_t most) {
  std::vector<int64_t> right;
  for (int64_t i = 0; i < predictions.size(); ++i) {
    const std::vector<int32_t> truths = task.truths(part, i);
    if (!truths.empty() && predictions.called(i) == truths) right.push_back(i);
  }
  const auto all = static_cast<int64_t>(right.size());
  if (all <= most) return right;
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < most; ++i) chosen.push_back(right[static_cast<size_t>(i * all / most)]);
  return chosen;
}

/// The class probabilities without some of the units, in as few goes as memory allows.
Predictions without(ClassifierTask& task, Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  try {
    return task.without_units(part, example, removed);
  } catch (const OutOfMemoryError&) {
    if (removed.size() < 2) throw;
  }
  const auto middle = removed.begin() + static_cast<ptrdiff_t>(removed.size() / 2);
  Predictions first = without(task, part, example, {removed.begin(), middle});
  const Predictions second = without(task, part, example, {middle, removed.end()});
  first.probabilities.insert(first.probabilities.end(), second.probabilities.begin(), second.probabilities.end());
  return first;
}

}  // namespace

double DeletionCurves::score() const {
  double sum = 0;
  for (size_t i = 0; i < removed.size(); ++i) sum += random[i] - attended[i];
  return removed.empty() ? 0 : sum / static_cast<double>(removed.size());
}

DeletionCurves test_deletion(ClassifierTask& task, Part part, const Predictions& predictions,
                             DeletionTestOptions options) {
  const auto steps = static_cast<size_t>(options.steps), points = steps + 1;
  DeletionCurves test{.removed = {}, .attended = std::vector<double>(points), .random = std::vector<double>(points)};
  for (const int64_t example : choose_examples(task, part, predictions, options.most_examples)) {
    const int32_t truth = predictions.best(example);  // a right one
    const std::vector<double> weights = task.unit_weights(part, example, truth);
    if (weights.empty()) continue;
    const auto units = static_cast<int64_t>(weights.size());
    std::vector<std::vector<size_t>> orders{heaviest_first(weights)};
    for (int64_t i = 0; i < options.orders; ++i) {
      const auto stream = static_cast<uint64_t>(example * options.orders + i);
      const std::vector<int64_t> order = data::permutation(units, options.seed, stream);
      orders.emplace_back(order.begin(), order.end());
    }
    std::vector<std::vector<size_t>> removed;
    for (const std::vector<size_t>& order : orders) {
      for (size_t step = 0; step < points; ++step) {
        const double share = static_cast<double>(step) / static_cast<double>(steps);
        const auto count = static_cast<ptrdiff_t>(std::llround(share * static_cast<double>(units)));
        removed.emplace_back(order.begin(), order.begin() + count);
      }
    }
    const Predictions variants = without(task, part, example, removed);
    for (size_t i = 0; i < removed.size(); ++i) {
      const double p = variants.of(static_cast<int64_t>(i))[static_cast<size_t>(truth)];
      if (i < points) {
        test.attended[i] += p;
      } else {
        test.random[i % points] += p / static_cast<double>(options.orders);
      }
    }
    ++test.examples;
  }
  if (test.examples == 0) return {};
  for (size_t i = 0; i < points; ++i) {
    test.removed.push_back(static_cast<double>(i) / static_cast<double>(steps));
    test.attended[i] /= static_cast<double>(test.examples);
    test.random[i] /= static_cast<double>(test.examples);
  }
  return test;
}

}  // namespace fovea::train
