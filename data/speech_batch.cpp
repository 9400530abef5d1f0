#include "fovea/data/speech_batch.h"

#include <algorithm>
#include <limits>

#include "fovea/data/batch.h"
#include "fovea/tensor/creation.h"

namespace fovea::data {

SpeechBatcher::SpeechBatcher(SpeechFeatures features, Caller caller)
    : features_(features),
      spectrogram_(features.mel, caller),
      most_samples_(features.most_seconds > 0
                        ? static_cast<int64_t>(features.most_seconds * static_cast<double>(features.mel.rate))
                        : std::numeric_limits<int64_t>::max()) {}

Frames SpeechBatcher::features(std::span<const float> samples) const {
  const auto kept = samples.first(std::min(samples.size(), static_cast<size_t>(most_samples_)));
  return features_.mfcc ? spectrogram_.mfcc(kept) : spectrogram_.log_mel(kept);
}

SpeechBatch SpeechBatcher::make(const AudioDataset& set, std::span<const int32_t> labels,
                                std::span<const int64_t> examples, const SpeechBatchOptions& options,
                                Caller caller) const {
  std::vector<Frames> rows;
  int64_t time = 0;
  for (const int64_t example : examples) {
    if (example < 0 || example >= set.size()) {
      raise<IndexError>(caller, "SpeechBatcher: no example {}; there are {}", example, set.size());
    }
    const std::vector<float> samples = augment_samples(set.recordings[static_cast<size_t>(example)], features_.mel.rate,
                                                       options.augment, options.seed, example);
    Frames& frames = rows.emplace_back(features(samples));
    standardise(frames);
    augment_frames(frames, options.augment, options.seed, example);
    time = std::max(time, frames.frames);
  }
  const auto count = static_cast<int64_t>(examples.size()), bins = features_.bins();
  std::vector<float> values(static_cast<size_t>(count * time * bins), 0.0f);
  std::vector<bool> mask(static_cast<size_t>(count * time), false);
  std::vector<int32_t> lengths;
  for (int64_t row = 0; row < count; ++row) {
    const Frames& frames = rows[static_cast<size_t>(row)];
    std::copy(frames.values.begin(), frames.values.end(), values.begin() + row * time * bins);
    std::fill_n(mask.begin() + row * time, frames.frames, true);
    lengths.push_back(static_cast<int32_t>(frames.frames));
  }
  return {from_vector(values, {count, time, bins}, options.device),
          from_vector(lengths, options.device),
          from_vector(mask, {count, time}, options.device),
          gather_labels(labels, examples, options.device),
          {examples.begin(), examples.end()}};
}

}  // namespace fovea::data
