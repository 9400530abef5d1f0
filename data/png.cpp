#include <png.h>
#include <zlib.h>

#include "fovea/data/byte_cursor.h"
#include "fovea/data/byte_reader.h"
#include "fovea/data/file_error.h"
#include "fovea/data/image.h"

namespace fovea::data {
namespace {

constexpr size_t most_file_bytes = size_t{1} << 28;
constexpr uint32_t most_pixels = uint32_t{1} << 25;  // those of an 8K screen; a file of 100 kB may claim as many

/// libpng's picture, freed at the end.
struct PngImage {
  PngImage() { image.version = PNG_IMAGE_VERSION; }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&image); }

  png_image image{};
};

/// Planes of colours one behind the other from colours side by side, or back.
std::vector<uint8_t> transposed(const std::vector<uint8_t>& from, size_t rows, size_t columns) {
  std::vector<uint8_t> to(from.size());
  for (size_t i = 0; i < rows; ++i) {
    for (size_t k = 0; k < columns; ++k) to[k * rows + i] = from[i * columns + k];
  }
  return to;
}

/// Throws DataError with the byte of a chunk that does not fit the file or was changed: libpng tells no place.
void check_chunks(std::string_view bytes, const std::string& name) {
  constexpr std::string_view signature("\x89PNG\r\n\x1a\n", 8);
  ByteCursor cursor(bytes, name);
  if (!bytes.starts_with(signature)) fail_beginning(name, "a PNG file", "\\x89PNG", bytes);
  cursor.take(signature.size(), "signature");
  std::string_view kind;
  while (kind != "IEND") {
    const int64_t length = cursor.number<uint32_t>(std::endian::big, "chunk's header");
    const std::string_view checked = cursor.take(length + 4, "chunk");
    kind = checked.substr(0, 4);
    const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    if (cursor.number<uint32_t>(std::endian::big, "chunk's checksum") != sum) {
      cursor.refuse(length + 12, "the chunk {} is broken: its checksum is another one", in_quotes(kind));
    }
  }
}

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  check_chunks(bytes, name);
  PngImage png;
  png_image& image = png.image;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    fail(name, "not a PNG file that can be read: {}", image.message);
  }
  if (image.width == 0 || image.height == 0 || image.width > most_pixels / image.height) {
    fail(name, "a picture of {} x {} pixels; up to {} pixels can be read", image.width, image.height, most_pixels);
  }
  const bool colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Image out{colour ? 3 : 1, image.height, image.width, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  const png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, out.pixels.data(), 0, nullptr) == 0) {
    fail(name, "the PNG file is broken: {}", image.message);
  }
  if (colour) out.pixels = transposed(out.pixels, static_cast<size_t>(out.height * out.width), 3);
  return out;
}

Image load_png(const std::string& path) { return decode_png(read_unpacked(path, most_file_bytes), path); }

std::string encode_png(const Image& image) {
  PngImage png;
  png.image.width = static_cast<png_uint_32>(image.width);
  png.image.height = static_cast<png_uint_32>(image.height);
  png.image.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  const auto plane = static_cast<size_t>(image.height * image.width);
  const std::vector<uint8_t> pixels = image.channels == 3 ? transposed(image.pixels, 3, plane) : image.pixels;
  png_alloc_size_t size = 0;
  std::string bytes;
  if (png_image_write_get_memory_size(png.image, size, 0, pixels.data(), 0, nullptr) != 0) {
    bytes.resize(size);
    if (png_image_write_to_memory(&png.image, bytes.data(), &size, 0, pixels.data(), 0, nullptr) != 0) {
      bytes.resize(size);
      return bytes;
    }
  }
  raise<ValueError>({}, "encode_png: a picture of {} x {} pixels: {}", image.height, image.width, png.image.message);
}

}  // namespace fovea::data
