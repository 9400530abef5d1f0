#include "fovea/data/image_file.h"

#include "fovea/data/byte_reader.h"
#include "fovea/data/file_error.h"

namespace fovea::data {
namespace {

constexpr size_t most_file_bytes = size_t{1} << 28;

}  // namespace

Image load_image(const std::string& path) { return decode_image(read_unpacked(path, most_file_bytes), path); }

Image decode_image(std::string_view bytes, const std::string& name) {
  if (bytes.starts_with("\xff\xd8")) return decode_jpeg(bytes, name);
  if (bytes.starts_with("\x89P")) return decode_png(bytes, name);
  fail_beginning(name, "a PNG or JPEG file", "\\x89PNG\" or \"\\xff\\xd8", bytes);
}

}  // namespace fovea::data
