#include "shapes.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "fovea/data/image_file.h"
#include "fovea/train/run_identity.h"

using namespace fovea;

namespace {

constexpr int64_t side = 32;

struct Colour {
  double channel[3];
};

/// Whether a point of a shape's own square from -1 to 1 lies inside.
bool inside(const std::string& shape, double x, double y) {
  const double radius = std::hypot(x, y);
  if (shape == "circle") return radius < 0.9;
  if (shape == "ring") return radius < 0.95 && radius > 0.55;
  if (shape == "square") return std::abs(x) < 0.75 && std::abs(y) < 0.75;
  if (shape == "cross") return std::min(std::abs(x), std::abs(y)) < 0.28 && std::max(std::abs(x), std::abs(y)) < 0.95;
  if (shape == "triangle") return y < 0.7 && y > -0.9 + 2 * std::abs(x) - 0.1;
  // Five rays.
  const double angle = std::atan2(x, -y) / (2 * std::numbers::pi) * 5;
  return radius < 0.45 + 0.5 * (1 - 2 * std::abs(angle - std::round(angle)));
}

void paint(data::Image& image, const std::string& shape, double x0, double y0, double size, double angle,
           const Colour& colour) {
  const double c = std::cos(angle) / size, s = std::sin(angle) / size;
  for (int64_t row = 0; row < side; ++row) {
    for (int64_t column = 0; column < side; ++column) {
      const double x = static_cast<double>(column) - x0, y = static_cast<double>(row) - y0;
      if (!inside(shape, c * x + s * y, c * y - s * x)) continue;
      for (int64_t k = 0; k < 3; ++k) {
        image.pixels[static_cast<size_t>((k * side + row) * side + column)] =
            static_cast<uint8_t>(255 * colour.channel[k]);
      }
    }
  }
}

Colour draw_colour(double low, double high, data::RandomStream& random) {
  return {{random.between(low, high), random.between(low, high), random.between(low, high)}};
}

}  // namespace

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> names{"circle", "cross", "ring", "square", "star", "triangle"};
  return names;
}

Picture draw_picture(int64_t number, uint64_t seed) {
  data::RandomStream random(seed, static_cast<uint64_t>(number));
  const std::vector<std::string>& names = shape_names();
  Picture picture{names[static_cast<size_t>(number) % names.size()], {3, side, side, {}}};
  picture.image.pixels.resize(3 * side * side);
  const Colour ground = draw_colour(0, 0.35, random);
  for (size_t i = 0; i < picture.image.pixels.size(); ++i) {
    const double noisy = ground.channel[i / (side * side)] + 0.08 * random.normal();
    picture.image.pixels[i] = static_cast<uint8_t>(255 * std::clamp(noisy, 0.0, 1.0));
  }
  for (int i = 0; i < 3; ++i) {
    const double x = random.between(2, side - 2), y = random.between(2, side - 2);
    paint(picture.image, names[random.below(names.size())], x, y, 2.5, random.between(0, 6),
          draw_colour(0.3, 0.8, random));
  }
  const Colour colour = draw_colour(0.5, 1, random);
  const double size = random.between(6, 10), room = size + 1;
  const double x = random.between(room, side - room), y = random.between(room, side - room);
  paint(picture.image, picture.label, x, y, size, random.between(-0.4, 0.4), colour);
  return picture;
}

void write_pictures(const std::string& folder, int64_t count, uint64_t seed) {
  for (const std::string& name : shape_names()) train::prepare_folder(std::filesystem::path(folder) / name);
  for (int64_t i = 0; i < count; ++i) {
    const Picture picture = draw_picture(i, seed);
    const auto path = std::filesystem::path(folder) / picture.label / fmt::format("{:04}.png", i);
    std::ofstream file(path, std::ios::binary);
    if (!(file << data::encode_png(picture.image)).flush()) data::fail_system(path.string(), "cannot write", errno);
  }
}
