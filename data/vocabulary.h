#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/label_places.h"
#include "fovea/data/string_index.h"
#include "fovea/data/tokenizer.h"

namespace fovea::data {

/// How often each token occurs.
class TokenCounts {
 public:
  void add(std::string_view token, int64_t times = 1);
  void add(const Tokens& tokens);

  /// Forgets the tokens that occurred less often than that.
  void forget_below(int64_t count);

  int32_t size() const { return tokens_.size(); }
  std::string_view token(int32_t i) const { return tokens_[i]; }
  int64_t count(int32_t i) const { return counts_[static_cast<size_t>(i)]; }

 private:
  StringIndex tokens_;
  std::vector<int64_t> counts_;
};

struct VocabularyOptions {
  int64_t max_size = 50000;  // ids in all, the two reserved ones included; 0 for no bound
  int64_t min_count = 1;     // tokens that occur less often become `unknown`
};

/// Tokens and their ids. Id 0 is padding, id 1 any token that is not in the vocabulary; the others go by falling count,
/// those of equal count by their bytes, so that the same texts in any order give the same ids.
class Vocabulary {
 public:
  static constexpr int32_t padding = 0;
  static constexpr int32_t unknown = 1;

  /// Throws ValueError where max_size has no room for the reserved ids.
  static Vocabulary build(const TokenCounts& counts, VocabularyOptions options = {}, Caller caller = {});
  /// Reads what `save` wrote. Throws DataError where it is not that.
  static Vocabulary load(const std::string& path);
  /// One token a line in the order of the ids; line breaks, NUL and backslashes in a token are escaped by a
  /// backslash.
  void save(const std::string& path) const;

  int32_t id(std::string_view token) const {
    const int32_t found = tokens_.find(token);
    return found == StringIndex::absent ? unknown : found + reserved;
  }
  bool contains(std::string_view token) const { return tokens_.find(token) != StringIndex::absent; }
  /// "<pad>" and "<unk>" for the reserved ids. Throws IndexError.
  std::string_view token(int32_t id, Caller caller = {}) const;
  int32_t size() const { return tokens_.size() + reserved; }

 private:
  static constexpr int32_t reserved = 2;
  StringIndex tokens_;
};

/// The names of classes and their ids.
class Labels {
 public:
  Labels() = default;
  /// The distinct ones of `names`, sorted: by value where all are whole numbers, else by their bytes.
  static Labels sorted(std::span<const std::string> names);
  /// The names in the order of their ids. Throws ValueError where one stands there twice.
  static Labels in_order(std::vector<std::string> names, Caller caller = {});

  std::optional<int32_t> find(std::string_view name) const;
  /// Throws IndexError.
  const std::string& name(int32_t id, Caller caller = {}) const;
  const std::vector<std::string>& names() const { return names_; }
  int32_t size() const { return static_cast<int32_t>(names_.size()); }

 private:
  std::vector<std::string> names_;
  StringIndex index_;
};

/// The class id of a label of the `example`-th example. Throws DataError with its place where it is not in `labels`.
int32_t label_id(const std::string& name, const LabelPlaces& places, size_t example, const Labels& labels);
/// The class ids of examples. Throws as label_id does.
std::vector<int32_t> label_ids(std::span<const std::string> names, const LabelPlaces& places, const Labels& labels);

}  // namespace fovea::data
