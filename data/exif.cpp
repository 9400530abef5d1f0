#include "fovea/data/exif.h"

#include <bit>
#include <optional>

#include "fovea/data/byte_cursor.h"

namespace fovea::data {
namespace {

constexpr std::string_view beginning("Exif\0\0", 6);
constexpr uint16_t orientation_tag = 0x0112, number_of_16_bits = 3;
constexpr size_t entry_bytes = 12;

/// A TIFF file in memory, whose numbers may stand anywhere and in either order of bytes.
class Tiff {
 public:
  explicit Tiff(std::string_view bytes)
      : bytes_(bytes), order_(bytes.starts_with("MM") ? std::endian::big : std::endian::little) {}

  /// The number at a byte; nothing where the file does not reach so far.
  template <class T>
  std::optional<T> number(size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return from_order(value, order_);
  }

 private:
  std::string_view bytes_;
  std::endian order_;
};

}  // namespace

int exif_orientation(std::string_view block) {
  return block.starts_with(beginning) ? tiff_orientation(block.substr(beginning.size())) : 1;
}

int tiff_orientation(std::string_view file) {
  const Tiff tiff(file);
  if ((!file.starts_with("II") && !file.starts_with("MM")) || tiff.number<uint16_t>(2) != 42) return 1;
  const size_t directory = tiff.number<uint32_t>(4).value_or(0), count = tiff.number<uint16_t>(directory).value_or(0);
  for (size_t entry = directory + 2; entry < directory + 2 + count * entry_bytes; entry += entry_bytes) {
    const std::optional<uint16_t> tag = tiff.number<uint16_t>(entry);
    if (!tag) return 1;
    if (tag != orientation_tag) continue;
    const uint16_t value = tiff.number<uint16_t>(entry + 8).value_or(1);
    const bool is_one_number =
        tiff.number<uint16_t>(entry + 2) == number_of_16_bits && tiff.number<uint32_t>(entry + 4) == 1u;
    return is_one_number && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image upright(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool swaps_axes = orientation >= 5;
  // Which stored pixel is seen first, and how far the next ones are in memory.
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const int64_t height = stored.height, width = stored.width;
  const int64_t first = (from_below ? (height - 1) * width : 0) + (from_right ? width - 1 : 0);
  const int64_t next_row = from_below ? -width : width, next_column = from_right ? -1 : 1;
  const int64_t down = swaps_axes ? next_column : next_row, along = swaps_axes ? next_row : next_column;
  Image seen{stored.channels, swaps_axes ? width : height, swaps_axes ? height : width,
             std::vector<uint8_t>(stored.pixels.size())};
  uint8_t* to = seen.pixels.data();
  for (int64_t channel = 0; channel < stored.channels; ++channel) {
    const uint8_t* from = stored.pixels.data() + channel * height * width + first;
    for (int64_t y = 0; y < seen.height; ++y) {
      for (int64_t x = 0; x < seen.width; ++x) *to++ = from[y * down + x * along];
    }
  }
  return seen;
}

}  // namespace fovea::data
