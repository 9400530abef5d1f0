#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fovea/data/text_encoder.h"
#include "fovea/data/unicode.h"

namespace fovea::data {

/// Texts as ids and, where sentences count, how many tokens each sentence of a text has; else `sentences` is empty.
struct EncodedTexts {
  TokenIds ids;
  TokenIds sentences;
};

/// Finds the sentences of a text by Unicode's rules (UAX 29, as ICU has them). May be used by several threads at once.
class SentenceSplitter {
 public:
  /// What runs on for more than `longest` tokens (a table, a list) is cut there. Throws ValueError where that is not
  /// positive.
  explicit SentenceSplitter(int64_t longest, Caller caller = {});

  /// How many of the first `count` tokens each sentence has: all of them positive, and together `count`. No token at
  /// all is one that stands for the empty text.
  std::vector<int32_t> lengths(std::string_view text, const Tokens& tokens, size_t count) const;

 private:
  int64_t longest_;
  UnicodeBreaker boundaries_{UnicodeBreaker::Kind::sentence};
};

}  // namespace fovea::data
