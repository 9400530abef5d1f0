#include "fovea/data/tokenizer.h"

#include <array>

#include "fovea/data/unicode.h"
#include "fovea/data/utf8.h"

namespace fovea::data {
namespace {

bool is_ascii_byte(char c) { return static_cast<unsigned char>(c) < 0x80; }
/// White space and controls; the bytes of longer characters are neither.
bool is_ascii_blank(char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }

/// What an ASCII character is to UAX 29's word rules.
enum class Ascii : uint8_t { blank, symbol, letter, digit, underscore, mid_letters, mid_digits, mid_both };
using AsciiClasses = std::array<Ascii, 128>;

/// Versions of ICU do not agree on the colon and the at sign, so it is asked what it makes of every symbol.
AsciiClasses ask_icu(const UnicodeBreaker& boundaries) {
  std::vector<Segment> segments;
  const auto is_one_word = [&](std::initializer_list<char> characters) {
    boundaries.split({characters.begin(), characters.size()}, segments);
    return segments.size() == 1;
  };
  AsciiClasses classes;
  for (size_t i = 0; i < 128; ++i) {
    const auto c = static_cast<char>(i);
    if (is_ascii_blank(c)) {
      classes[i] = Ascii::blank;
    } else if (c >= '0' && c <= '9') {
      classes[i] = Ascii::digit;
    } else if (c == '_') {
      classes[i] = Ascii::underscore;
    } else if (is_one_word({c, 'a'})) {
      classes[i] = Ascii::letter;
    } else {
      const bool letters = is_one_word({'a', c, 'a'}), digits = is_one_word({'1', c, '1'});
      classes[i] = letters && digits ? Ascii::mid_both
                   : letters         ? Ascii::mid_letters
                   : digits          ? Ascii::mid_digits
                                     : Ascii::symbol;
    }
  }
  return classes;
}

bool joins(Ascii c) { return c == Ascii::letter || c == Ascii::digit || c == Ascii::underscore; }

/// Whether no character of `text` has a lower case of its own, seen quickly: ideographs, kana and their punctuation.
bool is_plainly_caseless(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const char32_t c = decode_utf8(text, i);
    if (c < 0x3000 || c > 0x9fff) return false;
  }
  return true;
}

/// The end of the word that begins at `begin` with a letter, digit or underscore (UAX 29, WB5 to WB13b, on ASCII).
size_t ascii_word_end(const AsciiClasses& classes, std::string_view text, size_t begin, size_t limit) {
  const auto class_of = [&](char c) { return classes[static_cast<unsigned char>(c)]; };
  size_t end = begin + 1;
  while (end < limit) {
    const Ascii here = class_of(text[end]);
    if (joins(here)) {
      ++end;
      continue;
    }
    if (end + 1 >= limit) break;
    const Ascii before = class_of(text[end - 1]);
    const Ascii behind = class_of(text[end + 1]);
    const bool letters = here == Ascii::mid_both && before == Ascii::letter && behind == Ascii::letter;
    const bool digits =
        (here == Ascii::mid_both || here == Ascii::mid_digits) && before == Ascii::digit && behind == Ascii::digit;
    if (!letters && !digits) break;
    end += 2;
  }
  return end;
}

}  // namespace

std::vector<std::string> Tokenizer::operator()(std::string_view text) const {
  Tokens tokens;
  tokenize(text, tokens);
  std::vector<std::string> out;
  out.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) out.emplace_back(tokens[i]);
  return out;
}

class WordTokenizer::Breaker {
 public:
  UnicodeBreaker boundaries{UnicodeBreaker::Kind::word};
  LowerCase lower_case;
  AsciiClasses ascii = ask_icu(boundaries);
};

WordTokenizer::WordTokenizer(WordTokenizerOptions options) : options_(options), breaker_(std::make_unique<Breaker>()) {}
WordTokenizer::~WordTokenizer() = default;

// There is a boundary in front of every run of ASCII white space, whatever stands around it, so a text may be cut
// there: the pieces of ASCII alone are split here, several times as fast as ICU can, and the others go to ICU together
// with the white space in front of them, to which a combining mark may cling.
void WordTokenizer::tokenize(std::string_view text, Tokens& out) const {
  out.clear();
  size_t done = 0;       // everything before it is split
  size_t piece = 0;      // the piece begins here, with its white space
  bool foreign = false;  // the last pieces hold other characters than ASCII
  while (piece < text.size()) {
    size_t end = piece;
    while (end < text.size() && is_ascii_blank(text[end])) ++end;
    bool ascii = true;
    for (; end < text.size() && !is_ascii_blank(text[end]); ++end) ascii = ascii && is_ascii_byte(text[end]);
    if (ascii == foreign) {
      foreign ? split_foreign(text, {done, piece}, out) : split_ascii(text, {done, piece}, out);
      done = piece;
      foreign = !ascii;
    }
    piece = end;
  }
  foreign ? split_foreign(text, {done, piece}, out) : split_ascii(text, {done, piece}, out);
}

void WordTokenizer::split_ascii(std::string_view text, TextSpan part, Tokens& out) const {
  for (size_t begin = part.begin; begin < part.end;) {
    const Ascii first = breaker_->ascii[static_cast<unsigned char>(text[begin])];
    size_t end = begin + 1;
    bool word = false;
    if (joins(first)) {
      end = ascii_word_end(breaker_->ascii, text, begin, part.end);
      word = first != Ascii::underscore || end - begin > 1;
    }
    if (word || (options_.punctuation && first != Ascii::blank)) {
      const std::string_view token = text.substr(begin, end - begin);
      if (options_.lower_case) {
        char* written = out.write(token.size());
        for (size_t i = 0; i < token.size(); ++i) written[i] = ascii_lower(token[i]);
        out.add_written(token.size(), {begin, end});
      } else {
        out.add(token, {begin, end});
      }
    }
    begin = end;
  }
}

void WordTokenizer::split_foreign(std::string_view text, TextSpan part, Tokens& out) const {
  std::vector<Segment> segments;
  breaker_->boundaries.split(part.in(text), segments);
  for (const Segment& segment : segments) {
    const TextSpan source{part.begin + segment.span.begin, part.begin + segment.span.end};
    if (!segment.word) {
      size_t first = source.begin;
      if (!options_.punctuation || is_blank(decode_utf8(text, first))) continue;
    }
    const std::string_view token = source.in(text);
    if (options_.lower_case && !is_plainly_caseless(token)) {
      breaker_->lower_case.add(token, source, out);
    } else {
      out.add(token, source);
    }
  }
}

class CharTokenizer::Breaker {
 public:
  UnicodeBreaker boundaries{UnicodeBreaker::Kind::character};
  LowerCase lower_case;
};

CharTokenizer::CharTokenizer(CharTokenizerOptions options) : options_(options), breaker_(std::make_unique<Breaker>()) {}
CharTokenizer::~CharTokenizer() = default;

void CharTokenizer::tokenize(std::string_view text, Tokens& out) const {
  out.clear();
  // Code points that neither cling to what stands before them nor draw what follows: a text of these alone does not
  // need ICU. A carriage return would draw a line feed.
  const auto stands_alone = [](char32_t c) {
    return (c < 0x300 && c != '\r') || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3001 && c <= 0x3029) ||
           (c >= 0x3041 && c <= 0x3096) || (c >= 0x30a1 && c <= 0x30fa) || (c >= 0xff01 && c <= 0xff9d);
  };
  std::vector<Segment> segments;
  bool simple = true;
  for (size_t next = 0; simple && next < text.size();) {
    const size_t begin = next;
    simple = stands_alone(decode_utf8(text, next));
    segments.push_back({{begin, next}, true});
  }
  if (!simple) breaker_->boundaries.split(text, segments);
  for (const Segment& segment : segments) {
    const std::string_view token = segment.span.in(text);
    if (!options_.lower_case || is_plainly_caseless(token)) {
      out.add(token, segment.span);
    } else if (const char lower = ascii_lower(token[0]); token.size() == 1) {
      out.add({&lower, 1}, segment.span);
    } else {
      breaker_->lower_case.add(token, segment.span, out);
    }
  }
}

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view name, Caller caller) {
  if (name == "word") return std::make_unique<WordTokenizer>();
  if (name == "char") return std::make_unique<CharTokenizer>();
  raise<ValueError>(caller, "make_tokenizer: no tokenizer \"{}\"; there are word and char", name);
}

}  // namespace fovea::data
