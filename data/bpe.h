#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fovea/data/bpe_words.h"
#include "fovea/data/string_index.h"
#include "fovea/data/tokenizer.h"

namespace fovea::data {

/// A token that is found in a text as it stands there, before the text is split.
struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool special = true;      // decode may leave it out
  bool normalized = false;  // found only in what those leave that are not
};

struct BpeOptions {
  BpeWordOptions words = {};
  std::string unknown = {};    // the token of a character that is not known; empty: such a character is left out
  bool fuse_unknown = false;   // neighbouring unknown characters of a word are one token
  bool ignore_merges = false;  // a word that is a token is not taken apart
};

struct BpeTrainingOptions {
  BpeWordOptions words = {};
  int64_t vocabulary = 30000;                    // tokens in all
  int64_t min_count = 0;                         // of a pair that is joined
  std::vector<std::string> special_tokens = {};  // the first ids, found in texts as they stand
  std::string unknown = {};                      // one of them
};

/// Byte-pair encoding (Sennrich et al. 2016): words are taken apart into characters, and the pairs that training found
/// most frequent are joined again, in its order. Ids are those of the `tokenizers` package: it reads what `save`
/// writes, and `load` reads its tokenizer.json, of the BPE kind with the splits that BpeSplit names.
class BpeTokenizer final : public Tokenizer {
 public:
  /// A token's left and right part, by id.
  using Pair = std::pair<int32_t, int32_t>;

  /// tokens[i] is that of id i, empty where there is none. Throws ValueError where a pair's parts, or both together,
  /// are no tokens; of a pair that stands there twice the last place counts.
  BpeTokenizer(std::vector<std::string> tokens, std::vector<Pair> merges, std::vector<AddedToken> added,
               BpeOptions options = {}, Caller caller = {});

  /// Learns from texts. The same texts give the same tokens as the package's BpeTrainer.
  static BpeTokenizer train(std::span<const std::string> texts, const BpeTrainingOptions& options = {},
                            Caller caller = {});
  /// Reads a tokenizer.json. Throws DataError where it is not one, or would give a text other ids than are given here.
  static BpeTokenizer load(const std::string& path);
  /// Throws DataError.
  void save(const std::string& path) const;

  BpeTokenizer(BpeTokenizer&&) = default;
  BpeTokenizer& operator=(BpeTokenizer&&) = default;

  using Tokenizer::operator();
  void tokenize(std::string_view text, Tokens& out) const override;
  std::string name() const override { return "bpe"; }

  std::vector<int32_t> encode(std::string_view text) const;
  /// The text of ids: of byte_level as it was (bytes that are no UTF-8 become U+FFFD; a token with a character that
  /// stands for no byte is its own text), of whitespace the tokens with spaces between them. Throws IndexError.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true, Caller caller = {}) const;

  /// How many ids there are, those without a token counted too.
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  /// Throws IndexError.
  const std::string& token(int32_t id, Caller caller = {}) const;
  /// The id of a token, or StringIndex::absent.
  int32_t id(std::string_view token) const;
  const BpeOptions& options() const { return options_; }

 private:
  struct Piece {
    int32_t id;
    TextSpan source;
  };
  struct Joined {
    int32_t rank, id;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  const Joined* joined(int32_t left, int32_t right) const;
  const AddedToken* added_at(std::string_view text, size_t position, bool normalized) const;
  std::vector<Piece> pieces(std::string_view text) const;
  void add_word(const BpeWords& words, size_t word, std::vector<Piece>& out) const;
  void join(std::vector<Piece>& word) const;

  std::vector<std::string> tokens_;
  std::vector<Pair> merges_;
  std::vector<AddedToken> added_;
  BpeOptions options_;
  std::unordered_map<std::string_view, int32_t> ids_;  // views of tokens_
  std::unordered_map<char32_t, int32_t> characters_;
  std::unordered_map<uint64_t, Joined> joined_;
  int32_t unknown_ = StringIndex::absent;
};

}  // namespace fovea::data
