#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/data/spectrogram.h"

namespace fovea::data {

/// How training recordings are changed, each time anew; 0 for not at all.
struct AudioAugmentOptions {
  double shift = 0;  // in time, at most so many seconds either way; silence follows in
  double noise = 0;  // white noise of at most this share of the recording's own effective value
  /// SpecAugment (Park et al. 2019): bands and stretches of the features that are set to their mean.
  int64_t frequency_masks = 0;
  double frequency_width = 0.2;  // of a mask, at most, as a share of the bins
  int64_t time_masks = 0;
  double time_width = 0.2;  // as a share of the frames
};

/// The samples after shift and noise, by random numbers that depend on `seed` and `example` alone.
std::vector<float> augment_samples(std::span<const float> samples, int64_t rate, const AudioAugmentOptions& options,
                                   uint64_t seed, int64_t example);

/// Masks standardised features in place.
void augment_frames(Frames& frames, const AudioAugmentOptions& options, uint64_t seed, int64_t example);

}  // namespace fovea::data
