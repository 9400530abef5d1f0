#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/data/audio_augment.h"
#include "fovea/data/audio_dataset.h"
#include "fovea/data/spectrogram.h"
#include "fovea/tensor/tensor.h"

namespace fovea::data {

/// How recordings become what a model is fed with.
struct SpeechFeatures {
  MelOptions mel;
  bool mfcc = false;
  double most_seconds = 0;  // what is longer is cut; 0: nothing is

  int64_t bins() const { return mfcc ? mel.coefficients : mel.mels; }
};

/// The features of recordings side by side, padded with zeros to the longest.
struct SpeechBatch {
  Tensor features;                // f32 [batch, time, bins], standardised
  Tensor lengths;                 // i32 [batch], in frames
  Tensor mask;                    // bool [batch, time], true where a frame is
  Tensor labels;                  // i32 [batch]; undefined where the recordings have none
  std::vector<int64_t> examples;  // which ones they are
};

struct SpeechBatchOptions {
  AudioAugmentOptions augment = {};
  uint64_t seed = 0;  // of what is random; that depends on it and the recording alone
  Device device = {};
};

/// Makes batches of a set's recordings.
class SpeechBatcher {
 public:
  /// Throws ValueError where a feature's option is out of its range.
  explicit SpeechBatcher(SpeechFeatures features, Caller caller = {});

  /// `labels`, a class id for each recording of the set, may be empty. Throws IndexError where there is no such
  /// recording.
  SpeechBatch make(const AudioDataset& set, std::span<const int32_t> labels, std::span<const int64_t> examples,
                   const SpeechBatchOptions& options = {}, Caller caller = {}) const;

  /// A recording's features without augmentation, before and after they are standardised.
  Frames features(std::span<const float> samples) const;
  /// How many frames a recording of so many samples has.
  int64_t frames(int64_t samples) const { return spectrogram_.frames(std::min(samples, most_samples_)); }
  /// Seconds from one frame to the next.
  double seconds_a_frame() const {
    return static_cast<double>(spectrogram_.hop()) / static_cast<double>(features_.mel.rate);
  }

 private:
  SpeechFeatures features_;
  MelSpectrogram spectrogram_;
  int64_t most_samples_;
};

}  // namespace fovea::data
