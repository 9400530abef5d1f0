#pragma once

#include <zlib.h>

#include <string>

namespace fovea::data::testing {

/// A PNG file with a chunk added before its last.
inline std::string with_chunk(std::string png, const std::string& kind, const std::string& content) {
  const auto number = [](size_t value) {
    std::string text;
    for (int i = 3; i >= 0; --i) text += static_cast<char>(value >> 8 * i);
    return text;
  };
  const std::string checked = kind + content;
  const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
  return png.insert(png.size() - 12, number(content.size()) + checked + number(sum));
}

}  // namespace fovea::data::testing
