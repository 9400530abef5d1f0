#include <png.h>
#include <zlib.h>

#include "fovea/data/byte_cursor.h"
#include "fovea/data/exif.h"
#include "fovea/data/file_error.h"
#include "fovea/data/image_file.h"
#include "fovea/data/interleaved.h"

namespace fovea::data {
namespace {

/// libpng's picture, freed at the end.
struct PngImage {
  PngImage() { image.version = PNG_IMAGE_VERSION; }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;
  ~PngImage() { png_image_free(&image); }

  png_image image{};
};

/// What the chunk eXIf holds; "" where there is none. Throws DataError with the byte of a chunk that does not fit the file
/// or was changed: libpng tells no place.
std::string_view exif_of_chunks(std::string_view bytes, const std::string& name) {
  constexpr std::string_view signature("\x89PNG\r\n\x1a\n", 8);
  ByteCursor cursor(bytes, name);
  if (!bytes.starts_with(signature)) fail_beginning(name, "a PNG file", "\\x89PNG", bytes);
  cursor.take(signature.size(), "signature");
  std::string_view kind, exif;
  while (kind != "IEND") {
    const int64_t length = cursor.number<uint32_t>(std::endian::big, "chunk's header");
    const std::string_view checked = cursor.take(length + 4, "chunk");
    kind = checked.substr(0, 4);
    if (kind == "eXIf" && exif.empty()) exif = checked.substr(4);
    const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
    if (cursor.number<uint32_t>(std::endian::big, "chunk's checksum") != sum) {
      cursor.refuse(length + 12, "the chunk {} is broken: its checksum is another one", in_quotes(kind));
    }
  }
  return exif;
}

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  const std::string_view exif = exif_of_chunks(bytes, name);
  PngImage png;
  png_image& image = png.image;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    fail(name, "not a PNG file that can be read: {}", image.message);
  }
  check_image_size(name, image.width, image.height);
  const bool colour = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Image out{colour ? 3 : 1, image.height, image.width, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  const png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, out.pixels.data(), 0, nullptr) == 0) {
    fail(name, "the PNG file is broken: {}", image.message);
  }
  if (colour) out.pixels = to_planes(out.pixels, out.channels);
  return upright(std::move(out), tiff_orientation(exif));
}

std::string encode_png(const Image& image) {
  PngImage png;
  png.image.width = static_cast<png_uint_32>(image.width);
  png.image.height = static_cast<png_uint_32>(image.height);
  png.image.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  const std::vector<uint8_t> pixels = to_interleaved(image.pixels, image.channels);
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
