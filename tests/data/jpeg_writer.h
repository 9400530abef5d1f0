#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <jpeglib.h>

#include "fovea/data/image.h"

namespace fovea::data::testing {

struct JpegForm {
  bool progressive = false;
  bool inks = false;                    // three channels, taken as cyan, magenta and yellow, and half of black
  bool adobe = false;                   // inks inverted, as Adobe's programs store them
  std::vector<std::string> notes = {};  // what APP1 markers hold, as exif_block()
};

/// Exif's note of how the camera was held, behind an entry of another kind.
inline std::string exif_block(int orientation, bool big_endian = false) {
  const auto number = [&](unsigned value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * (big_endian ? bytes - 1 - i : i));
    return text;
  };
  const auto entry = [&](unsigned tag, unsigned value) {
    return number(tag, 2) + number(3, 2) + number(1, 4) + number(value, 2) + number(0, 2);
  };
  return std::string("Exif\0\0", 6) + (big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) +
         entry(0x0103, 6) + entry(0x0112, static_cast<unsigned>(orientation)) + number(0, 4);
}

/// A JPEG file's bytes, of the best quality.
inline std::string jpeg(const Image& image, JpegForm form = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = form.inks ? 4 : static_cast<int>(image.channels);
  info.in_color_space = form.inks ? JCS_CMYK : image.channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;  // colours as sharp as light and dark
  jpeg_set_quality(&info, 100, TRUE);
  if (form.progressive) jpeg_simple_progression(&info);
  info.write_Adobe_marker = form.adobe ? TRUE : FALSE;
  jpeg_start_compress(&info, TRUE);
  for (const std::string& note : form.notes) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(note.data()),
                      static_cast<unsigned>(note.size()));
  }
  const auto plane = static_cast<size_t>(image.height * image.width);
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y) {
    std::string row;
    for (size_t x = 0; x < static_cast<size_t>(image.width); ++x) {
      for (size_t c = 0; c < static_cast<size_t>(info.input_components); ++c) {
        const int value = c == 3 ? 128 : image.pixels[c * plane + y * static_cast<size_t>(image.width) + x];
        row += static_cast<char>(form.inks && form.adobe ? 255 - value : value);
      }
    }
    auto* samples = reinterpret_cast<JSAMPROW>(row.data());
    jpeg_write_scanlines(&info, &samples, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return out;
}

}  // namespace fovea::data::testing
