#pragma once

#include <functional>
#include <optional>

#include "fovea/data/sampler.h"
#include "fovea/data/streamed_texts.h"
#include "fovea/train/batch_stream.h"

namespace fovea::train {

/// Batches of texts that are read while it runs, block by block: within a block they are shuffled as a BatchSampler does
/// it, blocks come in the order of the file. What a batch holds depends on seed, epoch and its number alone.
class StreamedTextStream final : public BatchStream {
 public:
  /// What a model makes of some texts of a block.
  using Forward = std::function<Outcome(const data::TextBlocks::Block& block, std::span<const int64_t> examples)>;

  /// `size` texts to learn from in all; blocks of about `block` texts. Texts of about one length share a batch where
  /// `by_length` says so.
  StreamedTextStream(const data::StreamedTexts& texts, const data::TextEncoder& encoder, int64_t size, int64_t block,
                     const StreamOptions& options, bool by_length, Forward forward);

  int64_t batches() const override;
  void seek(int64_t epoch, int64_t batch) override;
  std::optional<Outcome> next() override;

 private:
  void load(int64_t number);

  int64_t size_;
  int64_t batches_a_block_;
  StreamOptions options_;
  bool by_length_;
  Forward forward_;
  data::TextBlocks blocks_;
  data::TextBlocks::Block block_;
  std::optional<data::BatchSampler> sampler_;
  int64_t loaded_ = -1;  // the number of the block
  int64_t epoch_ = 0;
  int64_t batch_ = 0;
};

}  // namespace fovea::train
