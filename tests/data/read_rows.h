#pragma once

#include <string>
#include <vector>

#include "fovea/data/table.h"

// Whole files as rows of fields.
namespace fovea::data::testing {

using Table = std::vector<std::vector<std::string>>;

inline Table read_rows(TableReader& table, std::vector<int64_t>* lines = nullptr) {
  Table rows;
  for (Row row; table.next(row);) {
    rows.emplace_back(row.fields.begin(), row.fields.end());
    if (lines) lines->push_back(row.line);
  }
  return rows;
}

inline Table read_rows(const std::string& path, TableOptions options = {}) {
  return read_rows(*open_table(path, options));
}

}  // namespace fovea::data::testing
