#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fovea::data {

/// Whether every byte is below 128.
bool is_ascii(std::string_view text);

/// The position of the first byte that does not begin or continue a well-formed character (no overlong forms, no
/// surrogates, nothing above U+10FFFF), or npos.
size_t find_invalid_utf8(std::string_view text);

/// The code point at `position` of well-formed text; `position` moves behind it.
char32_t decode_utf8(std::string_view text, size_t& position);

/// The longest beginning of at most `bytes` bytes that does not cut a character.
std::string_view utf8_prefix(std::string_view text, size_t bytes);

}  // namespace fovea::data
