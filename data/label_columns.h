#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/data/table.h"

namespace fovea::data {

/// Where a table tells the labels of its rows: in one column, or in a column for each label.
class LabelColumns {
 public:
  /// One column, whose cells name labels.
  LabelColumns(const TableReader& table, size_t column);
  /// A column for each label, by name or position from 0, whose cells say whether a row has the label of that name. Throws
  /// DataError where one is absent, has no name, or stands there twice.
  LabelColumns(const TableReader& table, const std::vector<std::string>& columns);

  const std::vector<size_t>& columns() const { return columns_; }
  bool contains(size_t column) const;
  /// "sea,sun": the columns' names.
  const std::string& name() const { return name_; }

  /// What a row's fields of these columns tell, without blanks around it: the cell as it is or, of a column for each label, the
  /// names of those that hold as a list (see split_labels). Such a field is 1 or true in any case where its label holds, 0,
  /// false or empty where it does not. Throws DataError with the line of another one. Valid until the next one is read.
  std::string_view cell(std::span<const std::string_view> fields, int64_t line);

 private:
  std::string path_;
  std::vector<size_t> columns_;
  std::vector<std::string> labels_;  // of the columns; empty: there is one column, which names them
  std::string name_;
  std::string list_;
};

}  // namespace fovea::data
