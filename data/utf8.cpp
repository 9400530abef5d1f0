#include "fovea/data/utf8.h"

#include <cstring>

namespace fovea::data {
namespace {

constexpr uint64_t high_bits = 0x8080808080808080u;

/// The length of the ASCII beginning, found eight bytes at a time (so perhaps up to seven bytes less than it is).
size_t ascii_words(const char* data, size_t size) {
  size_t i = 0;
  uint64_t word;
  for (; i + 8 <= size; i += 8) {
    std::memcpy(&word, data + i, 8);
    if (word & high_bits) break;
  }
  return i;
}

bool continues(unsigned char byte) { return (byte & 0xc0u) == 0x80u; }

}  // namespace

bool is_ascii(std::string_view text) {
  size_t i = ascii_words(text.data(), text.size());
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i == text.size();
}

size_t find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  size_t i = 0;
  while (i < size) {
    i += ascii_words(text.data() + i, size - i);
    while (i < size && bytes[i] < 0x80) ++i;
    // A run of longer characters; the second byte's range excludes overlong forms, surrogates and what is too large.
    while (i < size && bytes[i] >= 0x80) {
      const unsigned char lead = bytes[i];
      size_t length;
      unsigned char low = 0x80, high = 0xbf;
      if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
      } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
      } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
      } else {
        return i;
      }
      if (size - i < length || bytes[i + 1] < low || bytes[i + 1] > high) return i;
      for (size_t k = 2; k < length; ++k) {
        if (!continues(bytes[i + k])) return i;
      }
      i += length;
    }
  }
  return std::string_view::npos;
}

char32_t decode_utf8(std::string_view text, size_t& position) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data()) + position;
  if (bytes[0] < 0x80) {
    position += 1;
    return bytes[0];
  }
  if (bytes[0] < 0xe0) {
    position += 2;
    return (bytes[0] & 0x1fu) << 6 | (bytes[1] & 0x3fu);
  }
  if (bytes[0] < 0xf0) {
    position += 3;
    return (bytes[0] & 0x0fu) << 12 | (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu);
  }
  position += 4;
  return (bytes[0] & 0x07u) << 18 | (bytes[1] & 0x3fu) << 12 | (bytes[2] & 0x3fu) << 6 | (bytes[3] & 0x3fu);
}

std::string_view utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  size_t end = bytes;
  while (end > 0 && continues(static_cast<unsigned char>(text[end]))) --end;
  return text.substr(0, end);
}

}  // namespace fovea::data
