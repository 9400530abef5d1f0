#include "fovea/data/bpe_words.h"

#include <array>
#include <string>

#include "fovea/data/unicode.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

/// A text in code points and where each stands.
struct CodePoints {
  std::vector<char32_t> characters;
  std::vector<TextSpan> sources;
};

CodePoints decode(std::string_view text, TextSpan part, const BpeWordOptions& options) {
  CodePoints out;
  if (options.split == BpeSplit::byte_level && options.add_prefix_space && part.begin < part.end &&
      text[part.begin] != ' ') {
    out.characters.push_back(' ');
    out.sources.push_back({part.begin, part.begin});
  }
  for (size_t next = part.begin; next < part.end;) {
    const size_t begin = next;
    const char32_t c = decode_utf8(text, next);
    const auto [first, second] = options.lower_case ? lower_alone(c) : std::pair<char32_t, char32_t>(c, 0);
    out.characters.push_back(first);
    out.sources.push_back({begin, next});
    if (second == 0) continue;
    out.characters.push_back(second);
    out.sources.push_back({next, next});
  }
  return out;
}

/// The end of the run of characters from `i` on for which `is` holds.
template <class Is>
size_t run(const std::vector<char32_t>& c, size_t i, const Is& is) {
  while (i < c.size() && is(c[i])) ++i;
  return i;
}

/// The length of 's, 't, 're, 've, 'm, 'll or 'd at `i`, or 0.
size_t contraction(const std::vector<char32_t>& c, size_t i) {
  if (c[i] != '\'' || i + 1 == c.size()) return 0;
  const char32_t first = c[i + 1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (i + 2 == c.size()) return 0;
  const char32_t second = c[i + 2];
  const bool two =
      (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return two ? 3 : 0;
}

/// The end of GPT-2's word at `i`: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t byte_level_word(const std::vector<char32_t>& c, size_t i) {
  if (const size_t length = contraction(c, i)) return i + length;
  const size_t first = c[i] == ' ' && i + 1 < c.size() ? i + 1 : i;
  if (is_letter(c[first])) return run(c, first, is_letter);
  if (is_number(c[first])) return run(c, first, is_number);
  if (!is_space(c[first])) {
    return run(c, first, [](char32_t x) { return !is_space(x) && !is_letter(x) && !is_number(x); });
  }
  // White space, but for its last character where a word follows.
  const size_t end = run(c, i, is_space);
  return end < c.size() && end > i + 1 ? end - 1 : end;
}

void add_bytes(const CodePoints& text, size_t begin, size_t end, BpeWords& out) {
  std::string bytes;
  for (size_t i = begin; i < end; ++i) {
    bytes.clear();
    append_utf8(text.characters[i], bytes);
    for (size_t b = 0; b < bytes.size(); ++b) {
      out.characters.push_back(character_of_byte(static_cast<uint8_t>(bytes[b])));
      out.sources.push_back(b == 0 ? text.sources[i] : TextSpan{text.sources[i].end, text.sources[i].end});
    }
  }
}

}  // namespace

void BpeWords::clear() {
  characters.clear();
  sources.clear();
  ends.clear();
}

void split_for_bpe(std::string_view text, TextSpan part, const BpeWordOptions& options, BpeWords& out) {
  const CodePoints points = decode(text, part, options);
  const std::vector<char32_t>& c = points.characters;
  for (size_t i = 0; i < c.size();) {
    size_t end;
    if (options.split == BpeSplit::byte_level) {
      end = options.use_regex ? byte_level_word(c, i) : c.size();
      add_bytes(points, i, end, out);
    } else {
      if (is_space(c[i])) {
        ++i;
        continue;
      }
      end = is_word_character(c[i]) ? run(c, i, is_word_character)
                                    : run(c, i, [](char32_t x) { return !is_word_character(x) && !is_space(x); });
      for (size_t k = i; k < end; ++k) {
        out.characters.push_back(c[k]);
        out.sources.push_back(points.sources[k]);
      }
    }
    out.ends.push_back(out.characters.size());
    i = end;
  }
}

namespace {

bool can_be_seen(uint32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> out{};
  char32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) out[byte] = can_be_seen(byte) ? byte : next++;
  return out;
}

}  // namespace

char32_t character_of_byte(uint8_t byte) {
  static const std::array<char32_t, 256> characters = make_characters();
  return characters[byte];
}

int byte_of_character(char32_t c) {
  if (c < 256) return can_be_seen(c) ? static_cast<int>(c) : -1;
  // The bytes that cannot be seen stand in their order from U+0100 on.
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    if (!can_be_seen(static_cast<uint32_t>(byte)) && next++ == c) return byte;
  }
  return -1;
}

}  // namespace fovea::data
