#include "fovea/train/inference.h"

#include <algorithm>
#include <array>

#include "fovea/autograd/losses.h"
#include "fovea/autograd/normalize.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/reductions.h"

namespace fovea::train {

Tensor count_of_labels(const Tensor& labels) { return sum(ne(labels, static_cast<double>(no_label)).to(i32)); }

Tensor probabilities_of(const Tensor& logits, bool multi_label) {
  return multi_label ? sigmoid(logits) : softmax(logits, -1);
}

Evaluation evaluation_of(const Predictions& predictions, std::span<const int32_t> truths, Caller caller) {
  if (predictions.size() != static_cast<int64_t>(truths.size())) {
    raise<ShapeError>(caller, "evaluation_of: {} predictions of {} examples", predictions.size(), truths.size());
  }
  ConfusionMatrix confusion(std::max<int64_t>(predictions.classes, 1));
  for (int64_t i = 0; i < predictions.size(); ++i) {
    confusion.add(truths[static_cast<size_t>(i)], predictions.best(i), caller);
  }
  ProbabilityMetrics metrics = ProbabilityMetrics::of({predictions.classes, predictions.probabilities, truths});
  const double loss = metrics.log_loss;
  return {std::move(confusion), loss, std::move(metrics)};
}

namespace {

/// Calls `use` with each outcome of a stream of labelled examples.
template <class Use>
void for_each_outcome(nn::Module& model, BatchStream& data, const char* name, Caller caller, Use use) {
  const nn::Evaluating evaluating(model);
  data.seek(0, 0);
  while (const std::optional<Outcome> outcome = data.next()) {
    if (!outcome->labels.defined()) raise<ValueError>(caller, "{}: the examples have no labels", name);
    use(*outcome);
  }
}

}  // namespace

Evaluation evaluate(nn::Module& model, BatchStream& data, Caller caller) {
  return evaluate(model, data, nullptr, caller);
}

Evaluation evaluate(nn::Module& model, BatchStream& data, ProcessGroup* group, Caller caller) {
  Predictions predictions;
  std::vector<int32_t> truths;
  double loss_sum = 0;
  for_each_outcome(model, data, "evaluate", caller, [&](const Outcome& outcome) {
    predictions.classes = outcome.logits.size(-1);
    if (outcome.stand_in) return;
    const auto labels = outcome.labels.to_vector<int32_t>();
    const auto rows = softmax(outcome.logits, -1).to_vector<float>();
    const size_t before = truths.size();
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == no_label) continue;
      const auto row = rows.begin() + static_cast<int64_t>(i) * predictions.classes;
      predictions.probabilities.insert(predictions.probabilities.end(), row, row + predictions.classes);
      truths.push_back(labels[i]);
    }
    if (const size_t count = truths.size() - before; count > 0) {
      loss_sum += cross_entropy(outcome.logits, outcome.labels).item() * static_cast<double>(count);
    }
  });
  if (group) {
    predictions.probabilities = all_gather<float>(*group, predictions.probabilities);
    truths = all_gather<int32_t>(*group, truths);
    group->all_reduce(std::span(&loss_sum, 1));
  }
  if (truths.empty()) raise<ValueError>(caller, "evaluate: there are no examples");
  Evaluation evaluation = evaluation_of(predictions, truths, caller);
  // From the logits: exact also where a probability is too small for a float.
  evaluation.loss = loss_sum / static_cast<double>(truths.size());
  return evaluation;
}

LabelEvaluation evaluate_labels(nn::Module& model, BatchStream& data, ProcessGroup* group, Caller caller) {
  int64_t classes = 0;
  std::vector<float> probabilities;
  std::vector<uint8_t> truths;
  double loss_sum = 0;
  for_each_outcome(model, data, "evaluate_labels", caller, [&](const Outcome& outcome) {
    classes = outcome.logits.size(-1);
    if (outcome.stand_in) return;
    loss_sum += binary_cross_entropy_with_logits(outcome.logits, outcome.labels, Reduction::sum, caller).item();
    const auto p = sigmoid(outcome.logits).to_vector<float>(), y = outcome.labels.to_vector<float>();
    probabilities.insert(probabilities.end(), p.begin(), p.end());
    truths.insert(truths.end(), y.begin(), y.end());
  });
  if (group) {
    probabilities = all_gather<float>(*group, probabilities);
    truths = all_gather<uint8_t>(*group, truths);
    group->all_reduce(std::span(&loss_sum, 1));
  }
  if (truths.empty()) raise<ValueError>(caller, "evaluate_labels: there are no examples");
  LabelEvaluation evaluation = LabelEvaluation::of({classes, probabilities, truths});
  // From the logits: exact also where a probability is too near to 0 or 1 for a float.
  evaluation.loss = loss_sum / static_cast<double>(truths.size());
  return evaluation;
}

Predictions predict(nn::Module& model, BatchStream& data, bool multi_label) {
  const nn::Evaluating evaluating(model);
  Predictions predictions;
  if (multi_label) predictions.decision = Decision::by_label();
  data.seek(0, 0);
  while (const std::optional<Outcome> outcome = data.next()) {
    const int64_t classes = predictions.classes = outcome->logits.size(-1);
    const auto probabilities = probabilities_of(outcome->logits, multi_label).to_vector<float>();
    for (size_t i = 0; i < outcome->examples.size(); ++i) {
      const auto end = static_cast<size_t>((outcome->examples[i] + 1) * classes);
      if (predictions.probabilities.size() < end) predictions.probabilities.resize(end);
      std::copy_n(probabilities.begin() + static_cast<int64_t>(i) * classes, classes,
                  predictions.probabilities.begin() + outcome->examples[i] * classes);
    }
  }
  return predictions;
}

Score score(nn::Module& model, BatchStream& data, ProcessGroup* group, Caller caller) {
  std::array<double, 3> sums{};  // of examples, of those that are right, of losses
  for_each_outcome(model, data, "score", caller, [&](const Outcome& outcome) {
    if (outcome.stand_in) return;
    const double examples = count_of_labels(outcome.labels).item();
    if (examples == 0) return;
    sums[0] += examples;
    sums[1] += sum(eq(argmax(outcome.logits, -1), outcome.labels).to(i32)).item();
    sums[2] += cross_entropy(outcome.logits, outcome.labels).item() * examples;
  });
  if (group) group->all_reduce(sums);
  if (sums[0] == 0) raise<ValueError>(caller, "score: there are no examples");
  return {static_cast<int64_t>(sums[0]), sums[1] / sums[0], sums[2] / sums[0]};
}

double mean_loss(nn::Module& model, BatchStream& data,
                 const std::function<Tensor(const Tensor& logits, const Tensor& targets)>& loss, ProcessGroup* group,
                 Caller caller) {
  std::array<double, 2> sums{};  // of labels, of losses
  for_each_outcome(model, data, "mean_loss", caller, [&](const Outcome& outcome) {
    if (outcome.stand_in) return;
    const auto labels = static_cast<double>(outcome.labels.numel());
    sums[0] += labels;
    sums[1] += loss(outcome.logits, outcome.targets.defined() ? outcome.targets : outcome.labels).item() * labels;
  });
  if (group) group->all_reduce(sums);
  if (sums[0] == 0) raise<ValueError>(caller, "mean_loss: there are no examples");
  return sums[1] / sums[0];
}

}  // namespace fovea::train
