#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fovea/data/scaler.h"
#include "fovea/data/tabular_dataset.h"

namespace fovea::data {

/// How the columns of a table are understood.
struct TableEncoderOptions {
  Scaling scaling = Scaling::quantile;
  std::vector<std::string> numeric = {};      // by name: numbers, whatever they look like
  std::vector<std::string> categorical = {};  // by name: categories, though they may look like numbers
  /// What a cell that says nothing holds.
  std::vector<std::string> missing = {"", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"};
  /// Numbers are written with a comma for the point ("3,95"), and no point. What is in no file, a row as people type it,
  /// may have either.
  bool decimal_comma = false;
};

/// Encoded rows: a number for each cell of a numeric column, an id for each of a categorical one.
struct EncodedTable {
  int64_t rows = 0;
  std::vector<float> numbers = {};       // [rows, numeric columns], scaled; 0 where missing
  std::vector<uint8_t> missing = {};     // [rows, numeric columns], 1 where missing
  std::vector<int32_t> categories = {};  // [rows, categorical columns]: each column has ids of its own
};

/// From cells to numbers and ids. What it knows of a column (whether all its cells are numbers, their scale, which
/// categories there are) comes from the rows that it was fitted on and from no other.
class TableEncoder {
 public:
  struct Column {
    std::string name;
    bool numeric = true;
    Scaler scaler = {};                        // of a numeric one
    std::vector<std::string> categories = {};  // of a categorical one, sorted
    int32_t first_id = 0;  // of a categorical one: what is missing, or was never seen; then come the categories
    // Of a categorical one that nobody called so, of those that were fitted: the row of its first cell that is no
    // number, where nine in ten are.
    int64_t odd_row = -1;
    // Of those that were fitted and that nobody called categorical: whether nine in ten cells hold a category of their
    // own, of twenty or more: a name or a number of the row, which tells nothing of others.
    bool names_rows = false;
    // The same: the row of its first cell with a comma, where nine in ten would be numbers if that were their point.
    int64_t comma_row = -1;
  };

  TableEncoder() = default;
  /// A column is numeric where every cell that is not missing is a number. Throws DataError with the line of a cell that
  /// is none in a column that was called numeric, and for a name that is no column.
  static TableEncoder fit(const TabularDataset& dataset, std::span<const int64_t> rows,
                          const TableEncoderOptions& options);

  /// Throws DataError with the line and the column of a cell that is not a number in a numeric column.
  EncodedTable encode(const TabularDataset& dataset) const;

  /// In the order of the table.
  const std::vector<Column>& columns() const { return columns_; }
  int64_t numeric_columns() const { return static_cast<int64_t>(columns_.size() - first_ids_.size()); }
  int64_t categorical_columns() const { return static_cast<int64_t>(first_ids_.size()); }
  /// The names of these and of a text's columns, as they stand in the table; none where it does not say.
  const std::vector<std::string>& order() const { return order_; }
  /// How many ids the categorical columns have together.
  int64_t ids() const { return ids_; }
  /// The id of each categorical column that stands for a missing cell.
  const std::vector<int32_t>& first_ids() const { return first_ids_; }

  /// columns.json.
  void save(const std::string& path) const;
  /// Throws DataError where the file is not what save wrote.
  static TableEncoder load(const std::string& path);

 private:
  bool is_missing(const std::string& cell) const;
  std::optional<double> number(const TabularDataset& dataset, int64_t row, size_t column) const;
  void number_ids();

  std::vector<Column> columns_;
  std::vector<std::string> order_;
  std::vector<std::string> missing_;
  bool decimal_comma_ = false;
  std::vector<int32_t> first_ids_;
  int64_t ids_ = 0;
};

}  // namespace fovea::data
