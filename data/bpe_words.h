#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fovea/data/tokenizer.h"

namespace fovea::data {

/// How byte-pair encoding splits a text before it joins characters: as the pre-tokenizers of those names in the
/// `tokenizers` package do.
enum class BpeSplit : uint8_t {
  byte_level,  // words with the space in front of them, every byte a character of its own (Radford et al. 2019, GPT-2)
  whitespace,  // runs of letters, digits and _, and runs of what is neither that nor white space
};

struct BpeWordOptions {
  BpeSplit split = BpeSplit::byte_level;
  bool lower_case = false;        // each character by itself
  bool add_prefix_space = false;  // byte_level: a text begins as if a space stood before it
  bool use_regex = true;          // byte_level: else the whole text is one word
};

/// The words of a text, their characters one behind the other.
struct BpeWords {
  std::vector<char32_t> characters;  // of byte_level: what stands for each byte
  std::vector<TextSpan> sources;     // where in the text each stands; empty for a byte that continues a character
  std::vector<size_t> ends;          // of each word in `characters`

  void clear();
  size_t size() const { return ends.size(); }
  size_t begin_of(size_t word) const { return word == 0 ? 0 : ends[word - 1]; }
};

/// Adds the words of text[part].
void split_for_bpe(std::string_view text, TextSpan part, const BpeWordOptions& options, BpeWords& out);

/// The character that stands for a byte at byte level: itself where it can be seen, else one from U+0100 on.
char32_t character_of_byte(uint8_t byte);
/// The byte that a character stands for, or -1.
int byte_of_character(char32_t c);

}  // namespace fovea::data
