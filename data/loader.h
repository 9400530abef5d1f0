#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "fovea/data/prefetch.h"
#include "fovea/data/sampler.h"

namespace fovea::data {

struct DataLoaderOptions {
  /// Threads that make batches ahead of the loop; 0 makes each when the loop asks for it, which is best where that
  /// takes microseconds (token ids) and the cores have better to do.
  int workers = 0;
  int prefetch = 4;  // at most so many batches wait, finished or in the making
};

/// Gives the batches of one epoch to a loop, in the sampler's order whatever the number of threads:
///
///     DataLoader<Batch> loader(sampler, [&](auto examples) { return make_batch(sequences, labels, examples); });
///     for (Batch& batch : loader) train_on(batch);   // one epoch; the next loop runs through the next one
///
/// What `make` throws comes out of the loop, at the batch where it was thrown. A `make` that takes the epoch too,
/// `make(examples, epoch)`, can give other batches in each (augmentation).
template <class Item>
class DataLoader {
 public:
  using Make = std::function<Item(std::span<const int64_t> examples)>;
  using MakeInEpoch = std::function<Item(std::span<const int64_t> examples, int64_t epoch)>;

  /// Where a run stands: the next batch that the loop will get. Saved with a checkpoint inside the loop, it names the
  /// batch after the one in hand.
  struct Position {
    int64_t epoch = 0;
    int64_t batch = 0;
    friend bool operator==(const Position&, const Position&) = default;
  };

  DataLoader(BatchSampler sampler, Make make, DataLoaderOptions options = {}, Caller caller = {})
      : DataLoader(
            std::move(sampler),
            [make = std::move(make)](std::span<const int64_t> examples, int64_t) { return make(examples); }, options,
            caller) {}
  DataLoader(BatchSampler sampler, MakeInEpoch make, DataLoaderOptions options = {}, Caller caller = {})
      : sampler_(std::move(sampler)), make_(std::move(make)), options_(options) {
    if (options.workers < 0 || options.prefetch < 1) {
      raise<ValueError>(caller, "DataLoader: {} workers, prefetch {}", options.workers, options.prefetch);
    }
    position_.epoch = sampler_.epoch();
  }
  DataLoader(const DataLoader&) = delete;
  DataLoader& operator=(const DataLoader&) = delete;

  /// How many batches an epoch has.
  int64_t batches() const { return sampler_.batches(); }
  Position position() const { return position_; }
  /// Whether the next batch is none of this rank's (see BatchSampler::is_stand_in).
  bool is_stand_in() const { return position_.batch < batches() && sampler_.is_stand_in(position_.batch); }
  /// Goes to a position: the next loop runs from there to the end of that epoch. Throws ValueError.
  void seek(Position position, Caller caller = {}) {
    if (position.batch < 0 || position.batch > batches()) {
      raise<ValueError>(caller, "DataLoader: no batch {}; an epoch has {}", position.batch, batches());
    }
    prefetch_.reset();
    sampler_.set_epoch(position.epoch, caller);
    position_ = position;
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using pointer = Item*;
    using reference = Item&;

    explicit Iterator(DataLoader* loader) : loader_(loader) { ++*this; }
    Item& operator*() { return *item_; }
    Item* operator->() { return &*item_; }
    Iterator& operator++() {
      item_.reset();  // its memory may serve the next one
      item_ = loader_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return !iterator.item_; }

   private:
    DataLoader* loader_;
    std::optional<Item> item_;
  };

  /// Starts or goes on with the epoch.
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

  /// The next batch, none at the end of the epoch; the one after that begins the next epoch.
  std::optional<Item> next() {
    if (position_.batch == batches()) {
      seek({position_.epoch + 1, 0});
      return std::nullopt;
    }
    const int64_t epoch = position_.epoch;
    if (options_.workers == 0) return make_(sampler_.batch(position_.batch++), epoch);
    if (!prefetch_) {
      const int64_t first = position_.batch;
      prefetch_.emplace(batches() - first, options_.workers, options_.prefetch,
                        [this, first, epoch](int64_t i) { return make_(sampler_.batch(first + i), epoch); });
    }
    ++position_.batch;
    return prefetch_->next();
  }

 private:
  BatchSampler sampler_;
  MakeInEpoch make_;
  DataLoaderOptions options_;
  Position position_;
  std::optional<Prefetch<Item>> prefetch_;  // its threads read sampler_ and make_: it goes first
};

}  // namespace fovea::data
