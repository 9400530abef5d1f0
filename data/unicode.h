#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/data/tokenizer.h"

// What the tokenizers take from ICU, without its headers.
namespace fovea::data {

/// A segment between two boundaries.
struct Segment {
  TextSpan span;
  /// A word of letters, digits, kana or ideographs, as ICU classes it; false for spaces, punctuation and symbols.
  bool word = false;
};

/// Finds Unicode's text boundaries in the root locale. May be used by several threads at once.
class UnicodeBreaker {
 public:
  enum class Kind : uint8_t { word, character, sentence };
  /// Throws Error where ICU's data is absent.
  explicit UnicodeBreaker(Kind kind);
  ~UnicodeBreaker();

  /// Replaces `out` by the segments of `text` (UTF-8, under 2^31 bytes).
  void split(std::string_view text, std::vector<Segment>& out) const;

 private:
  class Iterator;
  class Pool;
  std::unique_ptr<Pool> pool_;
};

/// Unicode's full lower case in the root locale. May be used by several threads at once.
class LowerCase {
 public:
  /// Throws Error where ICU's data is absent.
  LowerCase();
  ~LowerCase();

  /// Adds the lower case of `token`, which stands at `source`.
  void add(std::string_view token, TextSpan source, Tokens& out) const;

 private:
  struct Map;
  std::unique_ptr<Map> map_;
};

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// White space, controls and invisible format characters.
bool is_blank(char32_t c);

// What \s, \p{L}, \p{N} and \w stand for in regular expressions on Unicode (UTS 18).
bool is_space(char32_t c);
bool is_letter(char32_t c);
bool is_number(char32_t c);
bool is_word_character(char32_t c);

/// Unicode's lower case of one character by itself, whatever stands around it: one code point, of U+0130 two.
std::pair<char32_t, char32_t> lower_alone(char32_t c);

}  // namespace fovea::data
