#include "fovea/train/inference.h"

#include <algorithm>

#include "fovea/autograd/losses.h"
#include "fovea/autograd/normalize.h"

namespace fovea::train {
namespace {

int32_t argmax_of(std::span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

int32_t Predictions::best(int64_t example) const { return argmax_of(of(example)); }

Evaluation evaluate(nn::Module& model, BatchStream& data, Caller caller) {
  const Inference inference(model);
  std::optional<ConfusionMatrix> confusion;
  double loss_sum = 0;
  data.seek(0, 0);
  while (const std::optional<Outcome> outcome = data.next()) {
    if (!outcome->labels.defined()) raise<ValueError>(caller, "evaluate: the examples have no labels");
    const auto classes = static_cast<size_t>(outcome->logits.size(-1));
    if (!confusion) confusion.emplace(static_cast<int64_t>(classes));
    const auto labels = outcome->labels.to_vector<int32_t>();
    const auto logits = outcome->logits.to_vector<float>();
    loss_sum += cross_entropy(outcome->logits, outcome->labels).item() * static_cast<double>(labels.size());
    for (size_t i = 0; i < labels.size(); ++i) {
      confusion->add(labels[i], argmax_of(std::span(logits).subspan(i * classes, classes)), caller);
    }
  }
  if (!confusion) raise<ValueError>(caller, "evaluate: there are no examples");
  return {*confusion, loss_sum / static_cast<double>(confusion->examples())};
}

Predictions predict(nn::Module& model, BatchStream& data) {
  const Inference inference(model);
  Predictions predictions;
  data.seek(0, 0);
  while (const std::optional<Outcome> outcome = data.next()) {
    const int64_t classes = predictions.classes = outcome->logits.size(-1);
    const auto probabilities = softmax(outcome->logits, -1).to_vector<float>();
    for (size_t i = 0; i < outcome->examples.size(); ++i) {
      const auto end = static_cast<size_t>((outcome->examples[i] + 1) * classes);
      if (predictions.probabilities.size() < end) predictions.probabilities.resize(end);
      std::copy_n(probabilities.begin() + static_cast<int64_t>(i) * classes, classes,
                  predictions.probabilities.begin() + outcome->examples[i] * classes);
    }
  }
  return predictions;
}

}  // namespace fovea::train
