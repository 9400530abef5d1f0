#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include <jpeglib.h>

#include "fovea/data/image.h"

namespace fovea::data::testing {

struct JpegForm {
  bool progressive = false;
  bool inks = false;   // three channels, taken as cyan, magenta and yellow, and half of black
  bool adobe = false;  // inks inverted, as Adobe's programs store them
};

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
