#include "fovea/data/audio_augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace fovea::data {
namespace {

using Samples = std::vector<float>;

TEST(AugmentSamples, DependOnSeedAndExampleAlone) {
  const Samples samples(100, 0.5f);
  const AudioAugmentOptions options{.shift = 0.01, .noise = 0.2};
  const auto augmented = [&](uint64_t seed, int64_t example) {
    return augment_samples(samples, 8000, options, seed, example);
  };
  EXPECT_EQ(augmented(1, 2), augmented(1, 2));
  EXPECT_NE(augmented(1, 2), augmented(2, 2));
  EXPECT_NE(augmented(1, 2), augmented(1, 3));
  EXPECT_EQ(augment_samples(samples, 8000, {}, 1, 2), samples);
}

TEST(AugmentSamples, ShiftInTime) {
  Samples samples(101, 0.0f);
  samples[50] = 1;
  std::set<int64_t> places;
  for (int64_t example = 0; example < 200; ++example) {
    const Samples shifted = augment_samples(samples, 1000, {.shift = 0.02}, 1, example);
    EXPECT_EQ(std::count(shifted.begin(), shifted.end(), 1.0f), 1);
    places.insert(std::find(shifted.begin(), shifted.end(), 1.0f) - shifted.begin());
  }
  EXPECT_EQ(*places.begin(), 30);
  EXPECT_EQ(*places.rbegin(), 70);
  EXPECT_EQ(augment_samples(samples, 1000, {.shift = 60}, 1, 1).size(), 101u);
}

TEST(AugmentSamples, AddNoiseInProportion) {
  const Samples quiet(2000, 0.01f);
  double greatest = 0;
  for (int64_t example = 0; example < 20; ++example) {
    const Samples noisy = augment_samples(quiet, 8000, {.noise = 0.5}, 1, example);
    double squares = 0;
    for (size_t i = 0; i < noisy.size(); ++i) squares += std::pow(noisy[i] - quiet[i], 2);
    greatest = std::max(greatest, std::sqrt(squares / 2000));
  }
  EXPECT_GT(greatest, 0.0035);
  EXPECT_LT(greatest, 0.0053);
}

TEST(AugmentFrames, MaskBandsAndStretches) {
  int most_bands = 0, most_stretches = 0;
  for (int64_t example = 0; example < 100; ++example) {
    Frames frames{20, 10, Samples(200, 1.0f)};
    augment_frames(frames, {.frequency_masks = 1, .frequency_width = 0.3, .time_masks = 1, .time_width = 0.25}, 1,
                   example);
    const auto hidden = [&](int64_t t, int64_t b) { return frames.values[static_cast<size_t>(t * 10 + b)] == 0; };
    int bands = 0, stretches = 0;
    for (int64_t b = 0; b < 10; ++b) {
      bool all = true;
      for (int64_t t = 0; t < 20; ++t) all = all && hidden(t, b);
      bands += all;
    }
    for (int64_t t = 0; t < 20; ++t) {
      bool all = true;
      for (int64_t b = 0; b < 10; ++b) all = all && hidden(t, b);
      stretches += all;
    }
    // Nothing but whole bands and whole stretches is hidden.
    EXPECT_EQ(std::count(frames.values.begin(), frames.values.end(), 0.0f),
              bands * 20 + stretches * 10 - bands * stretches);
    most_bands = std::max(most_bands, bands);
    most_stretches = std::max(most_stretches, stretches);
  }
  EXPECT_EQ(most_bands, 3);
  EXPECT_EQ(most_stretches, 5);
}

}  // namespace
}  // namespace fovea::data
