#include "fovea/train/streamed_text_stream.h"

#include <algorithm>
#include <utility>

#include "fovea/backends/round_up.h"
#include "fovea/data/random_stream.h"

namespace fovea::train {

StreamedTextStream::StreamedTextStream(const data::StreamedTexts& texts, const data::TextEncoder& encoder, int64_t size,
                                       int64_t block, const StreamOptions& options, bool by_length, Forward forward)
    : size_(size),
      batches_a_block_(std::max<int64_t>(block / options.batch_size, 1)),
      options_(options),
      by_length_(by_length),
      forward_(std::move(forward)),
      blocks_(texts, encoder, batches_a_block_ * options.batch_size) {}

int64_t StreamedTextStream::batches() const { return divide_up(size_, options_.batch_size); }

void StreamedTextStream::seek(int64_t epoch, int64_t batch) {
  if (epoch != epoch_) sampler_.reset();
  epoch_ = epoch;
  batch_ = batch;
}

std::optional<Outcome> StreamedTextStream::next() {
  if (batch_ == batches()) return std::nullopt;
  const int64_t number = batch_ / batches_a_block_;
  load(number);
  const int64_t place = batch_++ % batches_a_block_;
  Outcome outcome = forward_(block_, sampler_->batch(place));
  outcome.stand_in = sampler_->is_stand_in(place);
  for (int64_t& example : outcome.examples) example += number * batches_a_block_ * options_.batch_size;
  return outcome;
}

void StreamedTextStream::load(int64_t number) {
  if (number != loaded_) {
    block_ = {};  // its memory may serve the next one
    block_ = blocks_.read(number);
    loaded_ = number;
    sampler_.reset();
  }
  if (sampler_) return;
  data::BatchSamplerOptions sampling{.batch_size = options_.batch_size, .shuffle = options_.shuffle};
  sampling.seed = data::epoch_seed(options_.seed, number);
  sampling.rank = options_.rank;
  sampling.ranks = options_.ranks;
  sampler_ =
      by_length_ ? data::BatchSampler(block_.ids.lengths(), sampling) : data::BatchSampler(block_.ids.size(), sampling);
  sampler_->set_epoch(epoch_);
}

}  // namespace fovea::train
