#pragma once

#include <cstdint>
#include <span>

#include "fovea/data/image_dataset.h"

namespace fovea::data {

/// How training pictures are changed, each time anew; 0 for not at all. All but the cutout are one resampling of
/// the picture, bilinear, with black outside it.
struct ImageAugmentOptions {
  double shift = 0;   // along either axis, at most this share of its size
  double rotate = 0;  // at most so many degrees, either way
  double scale = 0;   // by a factor from 1 - scale to 1 + scale
  double crop = 0;    // to a window of at least this much less of either side, anywhere, scaled back up
  bool flip = false;  // left to right, every other time
  double cutout = 0;  // blackens a square whose side is this share of the shorter one (DeVries and Taylor 2017)

  bool any() const { return shift > 0 || rotate > 0 || scale > 0 || crop > 0 || flip || cutout > 0; }
};

/// Writes a picture of bytes as numbers from 0 to 1, changed as the options say by random numbers that depend on `seed`
/// and `example` alone.
void augment_image(std::span<const uint8_t> from, std::span<float> to, const ImageForm& form,
                   const ImageAugmentOptions& options, uint64_t seed, int64_t example);

}  // namespace fovea::data
