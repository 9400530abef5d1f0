#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fovea/data/label_sets.h"
#include "fovea/data/string_index.h"
#include "fovea/data/text_dataset.h"
#include "fovea/data/text_encoder.h"

namespace fovea::data {

struct StreamedTextsOptions {
  TextColumns columns = {};
  std::string label_separator = ",";  // where texts may have several labels
  TableOptions table = {};
  double hold_out = 0.1;          // which share of the texts is held out for validation, ...
  int64_t most_held_out = 20000;  // ... but about so many at most, since they are held in memory
  uint64_t seed = 0;              // chooses them
};

/// The labelled texts of a file that is too large for memory: what is kept of it does not grow with its length.
class StreamedTexts {
 public:
  /// Reads the file once, to learn its classes. Throws DataError where it is malformed or has no rows.
  StreamedTexts(std::string path, StreamedTextsOptions options);

  const Labels& labels() const { return labels_; }
  /// The distinct sets of classes that texts have, where each may have several.
  const LabelSets& label_sets() const { return sets_; }
  /// See TextReader::columns.
  const std::vector<std::string>& columns() const { return columns_; }
  /// How many texts there are, those held out too.
  int64_t size() const { return size_; }
  /// A hash of all texts and labels.
  uint64_t fingerprint() const { return fingerprint_; }

  /// Reads the file from its beginning. Throws DataError where it is not what it was.
  class Reader {
   public:
    explicit Reader(const StreamedTexts& texts);

    /// The next text; false at the end.
    bool next();
    std::string_view text() const { return row_.text; }
    /// The class; where there may be several, the number of their set.
    int32_t label() const { return label_; }
    bool held_out() const { return held_out_; }

   private:
    const StreamedTexts& texts_;
    TextReader rows_;
    LabelledText row_;
    int64_t number_ = -1;
    int32_t label_ = 0;
    bool held_out_ = false;
  };

 private:
  std::string path_;
  StreamedTextsOptions options_;
  Labels labels_;
  LabelSets sets_;
  StringIndex cells_;             // the distinct cells of labels, ...
  std::vector<int32_t> numbers_;  // ... and what Reader::label tells of each
  std::vector<std::string> columns_;
  int64_t size_ = 0;
  uint64_t fingerprint_ = 0;
  double share_ = 0;
};

/// The texts to learn from as ids, block by block.
class TextBlocks {
 public:
  struct Block {
    TokenIds ids;
    std::vector<int32_t> labels;
  };

  /// Both must outlive it. Throws ValueError where `block` is not positive.
  TextBlocks(const StreamedTexts& texts, const TextEncoder& encoder, int64_t block, Caller caller = {});

  /// Block `number` of the file, empty behind the last one. The block behind the one that was read last costs nothing
  /// but its reading; for another one the file is read from its beginning.
  Block read(int64_t number);

 private:
  bool next_to_learn_from();

  const StreamedTexts& texts_;
  const TextEncoder& encoder_;
  int64_t block_;
  std::optional<StreamedTexts::Reader> reader_;
  int64_t next_ = 0;  // the number of the block that the reader stands before
};

/// The hash of a text and its label, mixed into that of the ones before.
uint64_t mix_text(uint64_t hash, std::string_view text, std::string_view label);

}  // namespace fovea::data
