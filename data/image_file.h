#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fovea/data/image.h"

namespace fovea::data {

/// Reads a picture of at most 2^25 pixels from a PNG or JPEG file, whichever it is by its first bytes. It is turned and
/// mirrored as Exif says that the camera was held; where that cannot be read, it stands as it is stored. Throws DataError.
Image load_image(const std::string& path);
/// The same of bytes in memory; `name` stands for the file in errors.
Image decode_image(std::string_view bytes, const std::string& name);

/// PNG of any kind: what is transparent stands on white, 16 bits become 8.
Image decode_png(std::string_view bytes, const std::string& name);
/// A PNG file's bytes.
std::string encode_png(const Image& image);

/// JPEG: baseline or progressive, grey or in colour; what is meant for print (CMYK) becomes red, green and blue.
Image decode_jpeg(std::string_view bytes, const std::string& name);

/// Throws DataError where a file claims a picture without pixels or of more than 2^25, those of an 8K screen: a file of
/// 100 kB may claim as many.
void check_image_size(std::string_view name, uint64_t width, uint64_t height);

}  // namespace fovea::data
