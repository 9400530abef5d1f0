#include "fovea/train/columns_note.h"

#include "fovea/data/file_error.h"
#include "fovea/data/parse_number.h"

namespace fovea::train {

std::string columns_note(const data::TableEncoder& columns, const data::TabularDataset& rows, bool header) {
  std::string note;
  for (const data::TableEncoder::Column& column : columns.columns()) {
    if (!header || !column.numeric || !data::parse_number<double>(column.name)) continue;
    note = fmt::format("; a column of numbers is called {}, as if the first line were a row (--no-header?)",
                       data::in_quotes(column.name));
    break;
  }
  for (size_t c = 0; c < columns.columns().size(); ++c) {
    const data::TableEncoder::Column& column = columns.columns()[c];
    const auto cell_in = [&](int64_t row) {
      return fmt::format("{} in line {}", data::in_quotes(rows.cell(row, c)), rows.lines[static_cast<size_t>(row)]);
    };
    const std::string name = data::in_quotes(column.name);
    if (column.odd_row >= 0) {
      note += fmt::format("; {} holds categories, for {} is not a number (--numeric or --missing?)", name,
                          cell_in(column.odd_row));
    } else if (column.comma_row >= 0) {
      note +=
          fmt::format("; {} holds categories, for {} has a comma (--decimal-comma?)", name, cell_in(column.comma_row));
    } else if (column.names_rows) {
      note += fmt::format("; {} is another one in almost every row, as {} (--drop?)", name, cell_in(0));
    }
  }
  return note;
}

}  // namespace fovea::train
