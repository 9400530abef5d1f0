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

/// How a character of several bytes begins: its length (0: no character begins so) and the range of its second byte,
/// which excludes overlong forms, surrogates and what is too large.
struct Lead {
  size_t length;
  unsigned char low, high;
};
Lead lead_of(unsigned char byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {2, 0x80, 0xbf};
  if (byte >= 0xe0 && byte <= 0xef) {
    return {3, static_cast<unsigned char>(byte == 0xe0 ? 0xa0 : 0x80),
            static_cast<unsigned char>(byte == 0xed ? 0x9f : 0xbf)};
  }
  if (byte >= 0xf0 && byte <= 0xf4) {
    return {4, static_cast<unsigned char>(byte == 0xf0 ? 0x90 : 0x80),
            static_cast<unsigned char>(byte == 0xf4 ? 0x8f : 0xbf)};
  }
  return {0, 0, 0};
}

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
    while (i < size && bytes[i] >= 0x80) {  // a run of longer characters
      const auto [length, low, high] = lead_of(bytes[i]);
      if (length == 0) return i;
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

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  for (size_t bad; (bad = find_invalid_utf8(text)) != std::string_view::npos;) {
    out += text.substr(0, bad);
    out += "\ufffd";
    text.remove_prefix(bad);
    const auto [length, low, high] = lead_of(static_cast<unsigned char>(text[0]));
    size_t end = 1;
    if (length > 2 && text.size() > 1) {
      const auto second = static_cast<unsigned char>(text[1]);
      if (second >= low && second <= high) end = 2;
      while (end >= 2 && end < length && end < text.size() && continues(static_cast<unsigned char>(text[end]))) ++end;
    }
    text.remove_prefix(end);
  }
  return out.append(text);
}

void append_utf8(char32_t c, std::string& text) {
  const auto add = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xc0u | c >> 6);
  } else {
    if (c < 0x10000) {
      add(0xe0u | c >> 12);
    } else {
      add(0xf0u | c >> 18);
      add(0x80u | (c >> 12 & 0x3fu));
    }
    add(0x80u | (c >> 6 & 0x3fu));
  }
  add(0x80u | (c & 0x3fu));
}

std::string_view utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  size_t end = bytes;
  while (end > 0 && continues(static_cast<unsigned char>(text[end]))) --end;
  return text.substr(0, end);
}

}  // namespace fovea::data
