#include "fovea/data/image_augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/data/random_stream.h"

namespace fovea::data {
namespace {

/// Where in the old picture a pixel of the new one comes from: both counted from the middle.
struct Affine {
  double xx, xy, x0;
  double yx, yy, y0;
};

Affine draw(const ImageForm& form, const ImageAugmentOptions& options, RandomStream& random) {
  const auto height = static_cast<double>(form.height), width = static_cast<double>(form.width);
  const double angle = random.between(-options.rotate, options.rotate) * std::numbers::pi / 180;
  const double window = 1 - options.crop * random.uniform();
  const double zoom = window / random.between(1 - options.scale, 1 + options.scale);
  const double mirror = options.flip && random.below(2) == 0 ? -1 : 1;
  // What the window leaves free between the outermost pixels' centres, and the shift on top.
  const auto offset = [&](double size) {
    return (size - 1) * (1 - window) * random.between(-0.5, 0.5) + size * random.between(-options.shift, options.shift);
  };
  const double dx = offset(width), dy = offset(height);
  const double c = zoom * std::cos(angle), s = zoom * std::sin(angle);
  return {mirror * c, -s, dx, mirror * s, c, dy};
}

/// Bilinear, 0 outside.
float sample(const uint8_t* plane, int64_t height, int64_t width, double x, double y) {
  const double left = std::floor(x), top = std::floor(y);
  const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
  const auto fx = static_cast<float>(x - left), fy = static_cast<float>(y - top);
  const auto at = [&](int64_t r, int64_t c) {
    return r >= 0 && r < height && c >= 0 && c < width ? static_cast<float>(plane[r * width + c]) : 0.0f;
  };
  const float upper = at(row, column) * (1 - fx) + at(row, column + 1) * fx;
  const float lower = at(row + 1, column) * (1 - fx) + at(row + 1, column + 1) * fx;
  return (upper * (1 - fy) + lower * fy) * (1.0f / 255.0f);
}

void cut_out(std::span<float> picture, const ImageForm& form, double share, RandomStream& random) {
  const auto side = static_cast<int64_t>(std::lround(share * static_cast<double>(std::min(form.height, form.width))));
  const auto top = static_cast<int64_t>(random.below(static_cast<uint64_t>(form.height))) - side / 2;
  const auto left = static_cast<int64_t>(random.below(static_cast<uint64_t>(form.width))) - side / 2;
  const int64_t first = std::max<int64_t>(left, 0), last = std::clamp<int64_t>(left + side, first, form.width);
  for (int64_t channel = 0; channel < form.channels; ++channel) {
    for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + side, form.height); ++y) {
      std::fill_n(picture.begin() + (channel * form.height + y) * form.width + first, last - first, 0.0f);
    }
  }
}

}  // namespace

void augment_image(std::span<const uint8_t> from, std::span<float> to, const ImageForm& form,
                   const ImageAugmentOptions& options, uint64_t seed, int64_t example) {
  if (!options.any()) {
    std::transform(from.begin(), from.end(), to.begin(),
                   [](uint8_t pixel) { return static_cast<float>(pixel) * (1.0f / 255.0f); });
    return;
  }
  RandomStream random(seed, static_cast<uint64_t>(example));
  const Affine affine = draw(form, options, random);
  const double middle_x = static_cast<double>(form.width - 1) / 2, middle_y = static_cast<double>(form.height - 1) / 2;
  const int64_t plane = form.height * form.width;
  for (int64_t row = 0; row < form.height; ++row) {
    for (int64_t column = 0; column < form.width; ++column) {
      const double x = static_cast<double>(column) - middle_x, y = static_cast<double>(row) - middle_y;
      const double from_x = affine.xx * x + affine.xy * y + affine.x0 + middle_x;
      const double from_y = affine.yx * x + affine.yy * y + affine.y0 + middle_y;
      for (int64_t channel = 0; channel < form.channels; ++channel) {
        to[static_cast<size_t>(channel * plane + row * form.width + column)] =
            sample(from.data() + channel * plane, form.height, form.width, from_x, from_y);
      }
    }
  }
  if (options.cutout > 0) cut_out(to, form, options.cutout, random);
}

}  // namespace fovea::data
