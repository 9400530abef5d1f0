#include "fovea/data/audio_augment.h"

#include <algorithm>
#include <cmath>

#include "fovea/data/random_stream.h"

namespace fovea::data {
namespace {

constexpr uint64_t mask_tag = 0x6d61736b;  // so that the masks' numbers are not the samples'

/// A stretch of at most `share` of `size`, anywhere.
std::pair<int64_t, int64_t> draw_stretch(int64_t size, double share, RandomStream& random) {
  const auto most = static_cast<uint64_t>(share * static_cast<double>(size));
  const auto width = static_cast<int64_t>(random.below(most + 1));
  const auto first = static_cast<int64_t>(random.below(static_cast<uint64_t>(size - width) + 1));
  return {first, first + width};
}

}  // namespace

std::vector<float> augment_samples(std::span<const float> samples, int64_t rate, const AudioAugmentOptions& options,
                                   uint64_t seed, int64_t example) {
  RandomStream random(seed, static_cast<uint64_t>(example));
  const auto size = static_cast<int64_t>(samples.size());
  std::vector<float> out(samples.begin(), samples.end());
  if (options.shift > 0) {
    const double seconds = random.between(-options.shift, options.shift);
    const auto by = std::clamp<int64_t>(std::llround(seconds * static_cast<double>(rate)), -size, size);
    std::fill(out.begin(), out.end(), 0.0f);
    for (int64_t i = std::max<int64_t>(0, -by); i < std::min(size, size - by); ++i) {
      out[static_cast<size_t>(i + by)] = samples[static_cast<size_t>(i)];
    }
  }
  if (options.noise > 0) {
    double squares = 0;
    for (const float value : samples) squares += static_cast<double>(value) * value;
    const double effective = std::sqrt(squares / static_cast<double>(std::max<int64_t>(size, 1)));
    const auto amplitude = static_cast<float>(options.noise * random.uniform() * effective);
    for (float& value : out) value += amplitude * random.normal();
  }
  return out;
}

void augment_frames(Frames& frames, const AudioAugmentOptions& options, uint64_t seed, int64_t example) {
  RandomStream random(seed ^ mask_tag, static_cast<uint64_t>(example));
  for (int64_t i = 0; i < options.frequency_masks; ++i) {
    const auto [first, last] = draw_stretch(frames.bins, options.frequency_width, random);
    for (int64_t t = 0; t < frames.frames; ++t) {
      std::fill_n(frames.values.begin() + t * frames.bins + first, last - first, 0.0f);
    }
  }
  for (int64_t i = 0; i < options.time_masks; ++i) {
    const auto [first, last] = draw_stretch(frames.frames, options.time_width, random);
    std::fill_n(frames.values.begin() + first * frames.bins, (last - first) * frames.bins, 0.0f);
  }
}

}  // namespace fovea::data
