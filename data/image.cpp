#include "fovea/data/image.h"

#include <algorithm>
#include <cmath>

#include "fovea/backends/error.h"

namespace fovea::data {
namespace {

/// Which old pixels make up a new one, and their weights.
struct Covered {
  int64_t first;
  std::vector<float> weights;
};

std::vector<Covered> cover(int64_t old_size, int64_t new_size) {
  const double scale = static_cast<double>(old_size) / static_cast<double>(new_size), reach = std::max(scale, 1.0);
  std::vector<Covered> all;
  for (int64_t i = 0; i < new_size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - reach)));
    const auto last = std::min<int64_t>(old_size, static_cast<int64_t>(std::ceil(centre + reach)));
    Covered covered{first, {}};
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      const double weight = std::max(0.0, 1 - std::abs((static_cast<double>(k) + 0.5 - centre) / reach));
      covered.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : covered.weights) weight = static_cast<float>(weight / sum);
    all.push_back(std::move(covered));
  }
  return all;
}

}  // namespace

Image resize(const Image& image, int64_t height, int64_t width) {
  if (height < 1 || width < 1) raise<ValueError>({}, "resize: an image of {} x {}", height, width);
  if (height == image.height && width == image.width) return image;
  const std::vector<Covered> rows = cover(image.height, height), columns = cover(image.width, width);
  Image out{image.channels, height, width, {}};
  out.pixels.reserve(static_cast<size_t>(image.channels * height * width));
  // A new row of old pixels at a time: all of them as floats would take four times what the picture does.
  const auto old_width = static_cast<size_t>(image.width);
  std::vector<float> row(old_width);
  for (int64_t channel = 0; channel < image.channels; ++channel) {
    for (const Covered& above : rows) {
      std::fill(row.begin(), row.end(), 0.0f);
      const uint8_t* source = image.pixels.data() + (channel * image.height + above.first) * image.width;
      for (const float weight : above.weights) {
        for (size_t k = 0; k < old_width; ++k) row[k] += weight * source[k];
        source += old_width;
      }
      for (const Covered& beside : columns) {
        float value = 0;
        const float* from = row.data() + beside.first;
        for (const float weight : beside.weights) value += weight * *from++;
        out.pixels.push_back(static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f) + 0.5f));
      }
    }
  }
  return out;
}

Image with_channels(const Image& image, int64_t channels) {
  if (channels == image.channels) return image;
  if (channels != 1 && channels != 3) raise<ValueError>({}, "with_channels: an image of {} channels", channels);
  const auto plane = static_cast<size_t>(image.height * image.width);
  Image out{channels, image.height, image.width, std::vector<uint8_t>(static_cast<size_t>(channels) * plane)};
  for (size_t i = 0; i < plane; ++i) {
    if (channels == 3) {
      out.pixels[i] = out.pixels[plane + i] = out.pixels[2 * plane + i] = image.pixels[i];
    } else {
      const double grey =
          0.299 * image.pixels[i] + 0.587 * image.pixels[plane + i] + 0.114 * image.pixels[2 * plane + i];
      out.pixels[i] = static_cast<uint8_t>(grey + 0.5);
    }
  }
  return out;
}

}  // namespace fovea::data
