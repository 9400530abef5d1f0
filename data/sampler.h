#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::data {

/// The numbers from 0 to n - 1 in an order that depends on seed and stream alone, each order as likely as another.
std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t stream);

struct BatchSamplerOptions {
  int64_t batch_size = 32;
  bool shuffle = true;
  uint64_t seed = 0;
  /// With lengths: examples are sorted by length within so many batches at a time, so that a batch holds sequences of
  /// about one length and little padding; the batches are shuffled afterwards.
  int64_t bucket_batches = 50;
  bool drop_last = false;  // leaves out the one batch that is not full
  /// The class of each example. Where given, an epoch has as many examples of each class as of any other, and as many
  /// in all as there are: of a rare class some stand there several times, of a frequent one some not at all. With
  /// shuffle only.
  std::vector<int32_t> balance = {};
  /// Which of so many processes this is that share each batch among them: it gets its part of it, of equal size but for
  /// one example.
  int64_t rank = 0;
  int64_t ranks = 1;
  /// Into how many batches, one after the other, its part of each batch is cut in turn.
  int64_t parts = 1;
  bool longest_first = false;  // without shuffling: the set goes from the longest to the shortest
};

/// Divides examples into batches, each epoch anew: the batches of an epoch depend on seed and epoch alone, so a run
/// that was interrupted goes on with the batches that it would have had.
class BatchSampler {
 public:
  BatchSampler(int64_t examples, BatchSamplerOptions options = {}, Caller caller = {});
  /// Batches of about equal length. Without shuffling the whole set goes from the shortest to the longest.
  explicit BatchSampler(std::vector<int64_t> lengths, BatchSamplerOptions options = {}, Caller caller = {});

  int64_t examples() const { return examples_; }
  /// How many batches an epoch has.
  int64_t batches() const;
  /// The examples of the epoch's i-th batch. Throws IndexError.
  std::span<const int64_t> batch(int64_t i, Caller caller = {}) const;
  /// Whether that is nothing, where ranks or parts share a batch of fewer examples: batch(i) is an example of another's
  /// then, which must not count.
  bool is_stand_in(int64_t i) const;

  int64_t epoch() const { return epoch_; }
  /// Throws ValueError where it is negative.
  void set_epoch(int64_t epoch, Caller caller = {});

 private:
  void arrange();
  std::span<const int64_t> slice(int64_t i) const;

  int64_t examples_;
  std::vector<int64_t> lengths_;  // empty where they do not matter
  BatchSamplerOptions options_;
  std::vector<std::vector<int64_t>> members_;  // of each class, to balance; empty where they come as they are
  int64_t epoch_ = 0;
  std::vector<int64_t> order_;
  std::vector<size_t> begins_;  // where each batch begins in order_
};

}  // namespace fovea::data
