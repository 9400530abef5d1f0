#include "fovea/data/interleaved.h"

namespace fovea::data {
namespace {

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

}  // namespace fovea::data
