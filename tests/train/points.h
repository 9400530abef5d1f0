#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "fovea/autograd/pointwise.h"
#include "fovea/nn/linear.h"
#include "fovea/nn/optimizers.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/trainer.h"

// What trainers are tested with: points in space, of two classes.
namespace fovea::train {

struct Points {
  Tensor x = randn({22, 3});
  Tensor labels = randint(0, 2, {22});
};

/// Batches of points through a linear model; the last one may be smaller.
class PointStream final : public BatchStream {
 public:
  PointStream(nn::Linear& model, Points points, int64_t batch_size, double factor = 1)
      : model_(model), points_(std::move(points)), batch_size_(batch_size), factor_(factor) {}

  int64_t batches() const override { return (points_.x.size(0) + batch_size_ - 1) / batch_size_; }
  void seek(int64_t, int64_t batch) override { batch_ = batch; }
  std::optional<Outcome> next() override {
    if (batch_ == batches()) return std::nullopt;
    const int64_t first = batch_++ * batch_size_, last = std::min(first + batch_size_, points_.x.size(0));
    Outcome outcome{.logits = model_.forward(points_.x.slice(0, first, last) * factor_),
                    .labels = points_.labels.slice(0, first, last),
                    .targets = {},
                    .examples = {}};
    for (int64_t i = first; i < last; ++i) outcome.examples.push_back(i);
    return outcome;
  }

 private:
  nn::Linear& model_;
  Points points_;
  int64_t batch_size_;
  double factor_;
  int64_t batch_ = 0;
};

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() { manual_seed(1); }

  /// The weights after training from the same start; `watch` sees the trainer at the end.
  Tensor train(int64_t batch_size, TrainerOptions options, double factor = 1,
               const std::function<void(const Trainer&)>& watch = {}) const {
    manual_seed(5);
    nn::Linear model(3, 2);
    nn::SGD optimizer(model, {.lr = 0.5});
    Trainer trainer(model, optimizer, std::move(options));
    PointStream stream(model, points, batch_size, factor);
    trainer.fit(stream);
    if (watch) watch(trainer);
    return model.weight.detach();
  }

  Points points;
};

/// The logits of another model.
class Through final : public BatchStream {
 public:
  Through(BatchStream& stream, std::function<Tensor(const Tensor& logits)> change)
      : stream_(stream), change_(std::move(change)) {}
  int64_t batches() const override { return stream_.batches(); }
  void seek(int64_t epoch, int64_t batch) override { stream_.seek(epoch, batch); }
  std::optional<Outcome> next() override {
    std::optional<Outcome> outcome = stream_.next();
    if (outcome) outcome->logits = change_(outcome->logits);
    return outcome;
  }

 private:
  BatchStream& stream_;
  std::function<Tensor(const Tensor&)> change_;
};

}  // namespace fovea::train
