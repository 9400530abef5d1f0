#include "fovea/data/interleaved.h"

#include "fovea/data/file_error.h"

namespace fovea::data {
namespace {

constexpr uint64_t most_pixels = uint64_t{1} << 25;

/// [rows, columns] as [columns, rows].
std::vector<uint8_t> transposed(std::span<const uint8_t> from, size_t rows, size_t columns) {
  std::vector<uint8_t> to(from.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t k = 0; k < columns; ++k) to[k * rows + i] = from[i * columns + k];
  }
  return to;
}

}  // namespace

std::vector<uint8_t> to_planes(std::span<const uint8_t> interleaved, int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  return transposed(interleaved, interleaved.size() / count, count);
}

std::vector<uint8_t> to_interleaved(std::span<const uint8_t> planes, int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  return transposed(planes, count, planes.size() / count);
}

void check_image_size(std::string_view name, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0 || width > most_pixels / height) {
    fail(name, "a picture of {} x {} pixels; up to {} pixels can be read", width, height, most_pixels);
  }
}

}  // namespace fovea::data
