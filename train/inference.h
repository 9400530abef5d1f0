#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "fovea/nn/module.h"
#include "fovea/train/batch_stream.h"
#include "fovea/train/decision.h"
#include "fovea/train/label_metrics.h"
#include "fovea/train/metrics.h"
#include "fovea/train/process_group.h"

namespace fovea::train {

/// What a label is that takes no part in loss and metrics, cross_entropy's.
constexpr int32_t no_label = -100;

/// How many labels take part: a number of i32 that stays on the device until it is read.
Tensor count_of_labels(const Tensor& labels);

/// The class probabilities of every example of a stream, by example.
struct Predictions {
  int64_t classes = 0;
  std::vector<float> probabilities = {};  // [examples, classes]
  Decision decision = {};

  int64_t size() const { return classes == 0 ? 0 : static_cast<int64_t>(probabilities.size()) / classes; }
  std::span<const float> of(int64_t example) const {
    return std::span(probabilities).subspan(static_cast<size_t>(example * classes), static_cast<size_t>(classes));
  }
  /// The class that the decision makes of it; by label the clearest one (see Decision::of).
  int32_t best(int64_t example) const { return decision.of(of(example)); }
  /// The classes that the decision makes of it: one, or by label any number.
  std::vector<int32_t> called(int64_t example) const { return decision.all_of(of(example)); }
};

/// What logits [..., classes] say of each class: their softmax or, where an example may have any number of the classes
/// (`multi_label`), their sigmoid.
Tensor probabilities_of(const Tensor& logits, bool multi_label);

/// What predictions of examples of these classes amount to. Throws ShapeError where they are not as many.
Evaluation evaluation_of(const Predictions& predictions, std::span<const int32_t> truths, Caller caller = {});

/// Runs a stream of labelled examples through its model; those without a label (-100) take no part. Throws ValueError where
/// there are no examples or no labels.
Evaluation evaluate(nn::Module& model, BatchStream& data, Caller caller = {});
/// The same in a group (null: alone), where the stream of each rank gives its part of each batch; all get the whole.
Evaluation evaluate(nn::Module& model, BatchStream& data, ProcessGroup* group, Caller caller = {});
/// The same of examples that may have any number of the classes (TrainerOptions::multi_label), whose labels are 0 or 1 for
/// each class: f32 [batch, classes].
LabelEvaluation evaluate_labels(nn::Module& model, BatchStream& data, ProcessGroup* group = nullptr,
                                Caller caller = {});
/// With `multi_label` decided by label.
Predictions predict(nn::Module& model, BatchStream& data, bool multi_label = false);

/// What is known of examples without keeping their probabilities.
struct Score {
  int64_t examples = 0;
  double accuracy = 0;
  double loss = 0;  // mean cross entropy, natural logarithm
};
/// What evaluate() tells of them, where classes are too many, as a language model's, to tell of each. Throws as it does.
Score score(nn::Module& model, BatchStream& data, ProcessGroup* group = nullptr, Caller caller = {});

/// The mean over all labels of a loss that gives the mean over a batch's, from logits and labels (or an outcome's
/// targets). Throws ValueError where there are no examples or no labels.
double mean_loss(nn::Module& model, BatchStream& data,
                 const std::function<Tensor(const Tensor& logits, const Tensor& targets)>& loss,
                 ProcessGroup* group = nullptr, Caller caller = {});

}  // namespace fovea::train
