#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/table.h"
#include "fovea/data/vocabulary.h"

namespace fovea::data {

/// Which columns of a table to read, each by name or by position from 0.
struct TabularColumns {
  std::string label = {};                       // empty: the last one
  std::vector<std::string> text = {};           // joined by a space; empty: no text
  std::vector<std::string> drop = {};           // left out
  std::vector<std::string> features = {};       // exactly these, in this order; empty: all others
  bool several_labels = false;                  // as that of TextColumns
  std::vector<std::string> label_columns = {};  // likewise
};

/// Rows of a table: cells of feature columns, a text where one is wanted, the names of classes.
struct TabularDataset {
  std::string path = {};
  std::string label = {};                      // the name of the label's column; see LabelColumns::name()
  std::vector<std::string> columns = {};       // the names of the feature columns
  std::vector<std::string> text_columns = {};  // and of those that are joined to a text
  std::vector<std::string> order = {};         // both as they stand in the table
  std::vector<std::string> cells = {};         // [rows, columns], without spaces around them
  std::vector<std::string> texts = {};         // [rows]; empty where there are none
  std::vector<std::string> labels = {};        // [rows]; empty where they are not known
  std::vector<int64_t> lines = {};             // where each row begins in the file; 0 where it is in none

  int64_t size() const { return static_cast<int64_t>(lines.size()); }
  const std::string& cell(int64_t row, size_t column) const {
    return cells[static_cast<size_t>(row) * columns.size() + column];
  }
};

/// Reads a table (see TableReader) into memory. Throws DataError with file and line: a malformed file, a wrong column, an
/// empty label, no rows, no column that is left.
TabularDataset load_tabular_dataset(const std::string& path, const TabularColumns& columns = {},
                                    TableOptions options = {});

/// One row as people type it: a record of comma-separated values in the dataset's `order` (where there is none, of its
/// `columns`, then its `text_columns`); or a JSON object of values by column, in which what is absent is missing. Appends
/// it to `dataset`. Throws DataError that quotes the row.
void append_typed_row(TabularDataset& dataset, const std::string& row);

/// The fields of one record (RFC 4180). Throws DataError where a quote is not closed or followed by something else.
std::vector<std::string> parse_csv_record(std::string_view record);

}  // namespace fovea::data
