#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/tokenizer.h"
#include "fovea/data/vocabulary.h"

namespace fovea::data {

class SafetensorsFile;

/// Sequences of ids, stored one behind the other: in memory, or in a file that is mapped, so that only what is read of
/// it takes memory.
class TokenIds {
 public:
  int64_t size() const { return static_cast<int64_t>(ends().size()) - 1; }
  std::span<const int32_t> operator[](int64_t i) const {
    const auto at = static_cast<size_t>(i);
    const auto begin = static_cast<size_t>(ends()[at]), end = static_cast<size_t>(ends()[at + 1]);
    return ids().subspan(begin, end - begin);
  }
  int64_t length(int64_t i) const { return static_cast<int64_t>((*this)[i].size()); }
  std::vector<int64_t> lengths() const;
  /// The ids of all of them.
  std::span<const int32_t> all() const { return ids(); }

  /// Throws ValueError where they are mapped, or would be more than 2^31 - 1 ids.
  void add(std::span<const int32_t> sequence, Caller caller = {});

  /// Writes a file for `map`: safetensors of "ids" and of "ends", where each sequence ends. Throws DataError.
  void save(const std::string& path) const;
  /// Throws DataError where the file is not one of `save`'s. Whether its ids are those of a vocabulary is not looked
  /// at.
  static TokenIds map(const std::string& path);

 private:
  std::span<const int32_t> ids() const { return mapped_ ? mapped_ids_ : std::span<const int32_t>(ids_); }
  std::span<const int32_t> ends() const { return mapped_ ? mapped_ends_ : std::span<const int32_t>(ends_); }

  std::vector<int32_t> ids_;
  std::vector<int32_t> ends_{0};  // and 0 in front
  std::shared_ptr<const SafetensorsFile> mapped_;
  std::span<const int32_t> mapped_ids_, mapped_ends_;
};

struct TextEncoderOptions {
  int64_t max_length = 0;      // tokens behind it are left out; 0 for no bound
  int64_t bigram_buckets = 0;  // how many ids the pairs of neighbouring tokens share; 0 for no pairs
};

/// The bucket of a pair of tokens: a hash of both, the same everywhere (after fastText, Joulin et al. 2017).
int64_t bigram_bucket(std::string_view first, std::string_view second, int64_t buckets);

/// From texts to ids: the ids of a text's tokens and then, with bigrams, of its pairs of neighbours (also of unknown
/// ones), which lie behind those of the vocabulary. A text without tokens is one `unknown`, so that no sequence is
/// empty.
class TextEncoder {
 public:
  /// Throws ValueError where an option is negative.
  TextEncoder(std::shared_ptr<const Tokenizer> tokenizer, Vocabulary vocabulary, TextEncoderOptions options = {},
              Caller caller = {});

  /// Replaces `ids` by the text's; `tokens` receives its tokens, of which the first ids are those.
  void encode(std::string_view text, Tokens& tokens, std::vector<int32_t>& ids) const;
  std::vector<int32_t> encode(std::string_view text) const;
  TokenIds encode(std::span<const std::string> texts) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const TextEncoderOptions& options() const { return options_; }
  /// How many ids there are: the rows that an embedding needs.
  int64_t ids() const { return vocabulary_.size() + options_.bigram_buckets; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  Vocabulary vocabulary_;
  TextEncoderOptions options_;
};

/// The tokens of all texts and how often each occurs.
TokenCounts count_tokens(std::span<const std::string> texts, const Tokenizer& tokenizer);

}  // namespace fovea::data
