#include "fovea/data/image_file.h"

#include "fovea/data/byte_reader.h"
#include "fovea/data/file_error.h"

namespace fovea::data {
namespace {

constexpr size_t most_file_bytes = size_t{1} << 28;
constexpr uint64_t most_pixels = uint64_t{1} << 25;

}  // namespace

Image load_image(const std::string& path) { return decode_image(read_unpacked(path, most_file_bytes), path); }

Image decode_image(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes, name);
  if (bytes.starts_with("\x89P")) return decode_png(bytes, name);
  fail_beginning(name, "a PNG or JPEG file", "\\x89PNG\" or \"\\xff\\xd8", bytes);
}

void check_image_size(std::string_view name, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0 || width > most_pixels / height) {
    fail(name, "a picture of {} x {} pixels; up to {} pixels can be read", width, height, most_pixels);
  }
}

}  // namespace fovea::data
