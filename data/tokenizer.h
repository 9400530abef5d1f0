#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::data {

/// A part of a text: bytes begin to end - 1.
struct TextSpan {
  size_t begin = 0;
  size_t end = 0;

  std::string_view in(std::string_view text) const { return text.substr(begin, end - begin); }
  friend bool operator==(const TextSpan&, const TextSpan&) = default;
};

/// The tokens of one text in order, and where in it each stands. Stored flat: reusing one for many texts allocates
/// nothing.
class Tokens {
 public:
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  /// The token as the vocabulary knows it: lower-cased where the tokenizer does so.
  std::string_view operator[](size_t i) const {
    return std::string_view(characters_).substr(items_[i].begin, items_[i].end - items_[i].begin);
  }
  /// Where in the original text it stands.
  TextSpan span(size_t i) const { return items_[i].source; }

  void clear() {
    characters_.clear();
    items_.clear();
  }
  void add(std::string_view token, TextSpan source) {
    const size_t begin = characters_.size();
    characters_.append(token);
    items_.push_back({begin, characters_.size(), source});
  }
  /// Room for `bytes` bytes of a token to be written; finish it with `add_written`.
  char* write(size_t bytes) {
    written_ = characters_.size();
    characters_.resize(written_ + bytes);
    return characters_.data() + written_;
  }
  /// Adds the first `bytes` of what was written as a token.
  void add_written(size_t bytes, TextSpan source) {
    characters_.resize(written_ + bytes);
    items_.push_back({written_, characters_.size(), source});
  }

 private:
  struct Item {
    size_t begin;
    size_t end;
    TextSpan source;
  };
  std::string characters_;
  std::vector<Item> items_;
  size_t written_ = 0;
};

/// Splits a text into tokens. Immutable: one tokenizer may serve several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Replaces `out` by the tokens of `text`, which is UTF-8.
  virtual void tokenize(std::string_view text, Tokens& out) const = 0;
  std::vector<std::string> operator()(std::string_view text) const;

  /// "word", "char": the name that make_tokenizer knows it by.
  virtual std::string name() const = 0;
};

struct WordTokenizerOptions {
  bool lower_case = true;
  bool punctuation = true;  // punctuation and symbols are tokens of their own; else they are left out
};

/// Words by Unicode's rules (UAX 29, as ICU has them), Chinese, Japanese, Thai and the like by ICU's dictionaries.
/// White space is no token. Lower case is Unicode's, the same in every locale.
class WordTokenizer final : public Tokenizer {
 public:
  explicit WordTokenizer(WordTokenizerOptions options = {});
  ~WordTokenizer() override;

  using Tokenizer::operator();
  void tokenize(std::string_view text, Tokens& out) const override;
  std::string name() const override { return "word"; }

 private:
  class Breaker;
  void split_ascii(std::string_view text, TextSpan part, Tokens& out) const;
  void split_foreign(std::string_view text, TextSpan part, Tokens& out) const;

  WordTokenizerOptions options_;
  std::unique_ptr<Breaker> breaker_;
};

struct CharTokenizerOptions {
  bool lower_case = false;
};

/// Characters as a reader sees them (UAX 29's extended grapheme clusters); white space too.
class CharTokenizer final : public Tokenizer {
 public:
  explicit CharTokenizer(CharTokenizerOptions options = {});
  ~CharTokenizer() override;

  using Tokenizer::operator();
  void tokenize(std::string_view text, Tokens& out) const override;
  std::string name() const override { return "char"; }

 private:
  class Breaker;

  CharTokenizerOptions options_;
  std::unique_ptr<Breaker> breaker_;
};

/// The tokenizer of that name, with its usual options. Throws ValueError that lists the names.
std::unique_ptr<Tokenizer> make_tokenizer(std::string_view name, Caller caller = {});

}  // namespace fovea::data
