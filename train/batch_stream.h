#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fovea/data/loader.h"
#include "fovea/tensor/tensor.h"

namespace fovea::train {

/// What a model makes of one batch.
struct Outcome {
  Tensor logits;                  // [batch, classes]
  Tensor labels;                  // i32 [batch], -100 for what takes no part, or as TrainerOptions::multi_label and
                                  // regression say; undefined where they are not known
  Tensor targets;                 // what the loss takes in place of the labels; undefined: these. See cross_entropy
  std::vector<int64_t> examples;  // which ones they are
  bool stand_in = false;          // they are another rank's, and must not count

  int64_t size() const { return static_cast<int64_t>(examples.size()); }
};

/// How a task's examples become batches.
struct StreamOptions {
  int64_t batch_size = 32;
  bool shuffle = false;   // anew each epoch
  bool balanced = false;  // with shuffle: as many examples of each class as of any other
  uint64_t seed = 0;
  int64_t rank = 0;  // of so many processes that share each batch
  int64_t ranks = 1;
  int64_t parts = 1;           // into so many batches this one's share is cut
  bool longest_first = false;  // without shuffle: the order of the examples

  /// For a sampler of examples of these classes.
  data::BatchSamplerOptions sampler(std::span<const int32_t> labels) const {
    data::BatchSamplerOptions options{.batch_size = batch_size, .shuffle = shuffle, .seed = seed};
    options.rank = rank;
    options.ranks = ranks;
    options.parts = parts;
    options.longest_first = longest_first;
    if (balanced && shuffle) options.balance.assign(labels.begin(), labels.end());
    return options;
  }
};

/// Batches as a trainer meets them: already through the model. Resumable at any batch of any epoch.
class BatchStream {
 public:
  virtual ~BatchStream() = default;

  /// How many batches an epoch has.
  virtual int64_t batches() const = 0;
  /// The next outcome will be that of batch `batch` of epoch `epoch`; `batches()` stands for the epoch's end.
  virtual void seek(int64_t epoch, int64_t batch) = 0;
  /// None at the end of the epoch.
  virtual std::optional<Outcome> next() = 0;
};

/// What a stream needs of a loader's batches: what they hold for the model is theirs.
template <class Batch>
concept BatchOfExamples = requires(Batch batch) {
  { batch.labels } -> std::convertible_to<Tensor>;
  { batch.examples } -> std::convertible_to<std::vector<int64_t>>;
};

/// A loader's batches through a forward function, which gives the logits. The batch has `labels` and `examples`, and may have
/// `targets`.
template <class Batch>
class LoaderStream final : public BatchStream {
  static_assert(BatchOfExamples<Batch>,
                "a stream's batch has `Tensor labels` and `std::vector<int64_t> examples`, which ones they are");

 public:
  using Loader = data::DataLoader<Batch>;
  using Forward = std::function<Tensor(const Batch&)>;

  LoaderStream(std::shared_ptr<Loader> loader, Forward forward)
      : loader_(std::move(loader)), forward_(std::move(forward)) {}

  int64_t batches() const override { return loader_->batches(); }
  void seek(int64_t epoch, int64_t batch) override { loader_->seek({epoch, batch}); }
  std::optional<Outcome> next() override {
    const bool stand_in = loader_->is_stand_in();
    std::optional<Batch> batch = loader_->next();
    if (!batch) return std::nullopt;
    Tensor logits = forward_(*batch);
    Outcome outcome{std::move(logits), std::move(batch->labels), {}, std::move(batch->examples), stand_in};
    if constexpr (requires { batch->targets; }) outcome.targets = std::move(batch->targets);
    return outcome;
  }

 private:
  std::shared_ptr<Loader> loader_;
  Forward forward_;
};

/// The stream of a loader that outlives it: `stream(loader, [&](const Batch& b) { return model.forward(b); })`.
template <class Batch, class Forward>
LoaderStream<Batch> stream(data::DataLoader<Batch>& loader, Forward forward) {
  using Loader = data::DataLoader<Batch>;
  return LoaderStream<Batch>(std::shared_ptr<Loader>(&loader, [](Loader*) {}), std::move(forward));
}

}  // namespace fovea::train
