#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/label_columns.h"
#include "fovea/data/table.h"
#include "fovea/data/vocabulary.h"

namespace fovea::data {

/// Which columns of a table to read, each by name or by position from 0.
struct TextColumns {
  /// One or several, which are joined by a space. None: the column named "text", else the first that is not the label.
  std::vector<std::string> text = {};
  /// Empty: the column named "label", else the first that is not a text.
  std::string label = {};
  /// The label's cells may name any number of classes, or none: they may be empty and, in JSONL, lists (see
  /// TableReader::allow_list); see label_sets.h.
  bool several_labels = false;
  /// Instead of `label` with several_labels: a column for each label (see LabelColumns). Empty: none.
  std::vector<std::string> label_columns = {};
};

/// One example; valid until the next one is read.
struct LabelledText {
  std::string_view text;   // its lines end in \n, whatever they do in the file
  std::string_view label;  // the name of its class, without blanks around it
  int64_t line = 0;        // where it begins in the file
};

/// Reads texts and the names of their classes one after the other, in memory that does not grow with the file. The
/// default names of columns are found in any case ("Label"). Throws DataError with file and line: a malformed file, a
/// wrong column, an empty label.
class TextReader {
 public:
  explicit TextReader(const std::string& path, const TextColumns& columns = {}, TableOptions options = {});

  /// False at the end.
  bool next(LabelledText& out);

  /// The names of the columns that it reads: those of the text, then the label's, of several as LabelColumns::name().
  const std::vector<std::string>& columns() const { return columns_; }

 private:
  std::unique_ptr<TableReader> table_;
  LabelColumns labels_;
  bool may_lack_labels_;
  std::vector<std::string> columns_;
  std::string joined_;
};

/// Texts and the names of their classes, in the order of the file.
struct TextDataset {
  std::string path;
  std::vector<std::string> texts;
  std::vector<std::string> labels;
  std::vector<int64_t> lines;        // where each example begins in the file
  std::vector<std::string> columns;  // see TextReader::columns

  int64_t size() const { return static_cast<int64_t>(texts.size()); }
};

/// Reads a table into memory (see TextReader). Throws DataError also where it has no rows.
TextDataset load_text_dataset(const std::string& path, const TextColumns& columns = {}, TableOptions options = {});

/// The class id of every example. Throws DataError with the line of an example whose label is not in `labels`.
std::vector<int32_t> label_ids(const TextDataset& dataset, const Labels& labels);

}  // namespace fovea::data
