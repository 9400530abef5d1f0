#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fovea::data {

/// Whether every byte is below 128.
bool is_ascii(std::string_view text);

/// The position of the first byte that does not begin or continue a well-formed character (no overlong forms, no
/// surrogates, nothing above U+10FFFF), or npos.
size_t find_invalid_utf8(std::string_view text);

/// The code point at `position` of well-formed text; `position` moves behind it.
char32_t decode_utf8(std::string_view text, size_t& position);

/// The text with U+FFFD in place of every sequence that is not well-formed: one for each longest beginning of a
/// character, as Unicode advises (chapter 3, "maximal subparts").
std::string replace_invalid_utf8(std::string_view text);

/// Adds a code point.
void append_utf8(char32_t c, std::string& text);

/// The longest beginning of at most `bytes` bytes that does not cut a character.
std::string_view utf8_prefix(std::string_view text, size_t bytes);

}  // namespace fovea::data
