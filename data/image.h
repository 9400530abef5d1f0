#pragma once

#include <cstdint>
#include <vector>

namespace fovea::data {

/// A picture: grey (1 channel) or red, green and blue (3), each from 0 to 255.
struct Image {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> pixels;  // [channels, height, width]
};

/// Scales a picture: each new pixel is the mean of what it covers, weighted by a triangle as wide as two of the coarser
/// grid's pixels (bilinear where it grows). Throws ValueError where a size is less than 1.
Image resize(const Image& image, int64_t height, int64_t width);

/// Grey from colour (0.299 R + 0.587 G + 0.114 B, BT.601), colour of equal parts from grey.
Image with_channels(const Image& image, int64_t channels);

}  // namespace fovea::data
