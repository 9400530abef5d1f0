#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::data {

/// Converts recordings of one rate to another. A new sample is a sum of old ones, weighted by a sinc under Kaiser's window
/// (Kaiser 1974), which lets pass what is below 0.88 of half the lower rate and takes 90 dB off what is above that half.
class Resampler {
 public:
  /// The one rate may be up to so many times the other.
  static constexpr int64_t most_times = 64;
  static bool can_convert(int64_t from, int64_t to);

  /// Samples a second before and after. Throws ValueError where they cannot be converted.
  Resampler(int64_t from, int64_t to, Caller caller = {});

  /// Sample i of the result stands where i / to seconds have passed, and there are as many as begin within the recording.
  /// Silence lies around it. Of equal rates the same samples.
  std::vector<float> convert(std::span<const float> samples) const;
  /// How many samples so many become.
  int64_t converted_size(int64_t samples) const { return (samples * up_ + down_ - 1) / down_; }

 private:
  int64_t taps() const { return 2 * reach_; }
  void write_filter(int64_t phase, float* taps) const;

  int64_t up_, down_;           // new samples for so many old ones, in lowest terms
  double bandwidth_;            // as a share of half the old rate
  int64_t reach_;               // old samples on either side that weigh
  std::vector<float> filters_;  // [up, taps]; empty where that would be very many
};

}  // namespace fovea::data
