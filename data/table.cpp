#include "fovea/data/table.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "fovea/data/csv.h"
#include "fovea/data/file_error.h"
#include "fovea/data/jsonl.h"
#include "fovea/data/unicode.h"

namespace fovea::data {

TableFormat table_format(const std::string& path) {
  std::string name = path;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; });
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name.ends_with(".csv")) return TableFormat::csv;
  if (name.ends_with(".tsv") || name.ends_with(".tab")) return TableFormat::tsv;
  if (name.ends_with(".jsonl") || name.ends_with(".ndjson")) return TableFormat::jsonl;
  fail(path, "unknown kind of file; its name must end in .csv, .tsv or .jsonl, or one of these with .gz");
}

size_t TableReader::column(std::string_view name_or_position) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name_or_position);
  if (found != columns_.end()) {
    if (std::find(found + 1, columns_.end(), name_or_position) != columns_.end()) {
      fail(path_, "two columns are named {}; choose one by its position from 0", in_quotes(name_or_position));
    }
    return static_cast<size_t>(found - columns_.begin());
  }
  size_t position = 0;
  const char* end = name_or_position.data() + name_or_position.size();
  const auto [parsed, error] = std::from_chars(name_or_position.data(), end, position);
  if (error == std::errc() && parsed == end && position < columns_.size()) return position;
  fail(path_, "no column {}; it has {}{}", in_quotes(name_or_position),
       list_in_quotes(columns_.data(), columns_.data() + columns_.size()), delimiter_hint(columns_));
}

void TableReader::select(std::vector<size_t> columns, Caller caller) {
  for (const size_t column : columns) {
    if (column >= columns_.size()) {
      raise<IndexError>(caller, "select: column {} of {}", column, columns_.size());
    }
  }
  selected_ = std::move(columns);
  selection_changed();
}

void TableReader::allow_list(size_t column, Caller caller) {
  if (column >= columns_.size()) raise<IndexError>(caller, "allow_list: column {} of {}", column, columns_.size());
  list_column_ = column;
  selection_changed();
}

void TableReader::set_columns(std::vector<std::string> names) {
  columns_ = std::move(names);
  selected_.resize(columns_.size());
  std::iota(selected_.begin(), selected_.end(), size_t{0});
}

std::optional<size_t> find_column(const TableReader& table, std::string_view name, std::span<const size_t> taken) {
  for (size_t i = 0; i < table.columns().size(); ++i) {
    const std::string& column = table.columns()[i];
    const bool same = std::equal(column.begin(), column.end(), name.begin(), name.end(),
                                 [](char a, char b) { return ascii_lower(a) == b; });
    if (same && std::find(taken.begin(), taken.end(), i) == taken.end()) return i;
  }
  return std::nullopt;
}

std::string delimiter_hint(const std::vector<std::string>& columns) {
  if (columns.size() != 1) return {};
  const size_t at = columns.front().find_first_of(";\t|,");
  if (at == std::string::npos) return {};
  return fmt::format("; its columns seem to be separated by {}: say so (--delimiter, TableOptions::delimiter)",
                     in_quotes(columns.front().substr(at, 1)));
}

bool is_delimiter(char character) {
  const bool letter = (character | 0x20) >= 'a' && (character | 0x20) <= 'z',
             digit = character >= '0' && character <= '9';
  return character > 0 && character < 0x7f && !letter && !digit && character != '"' && character != '\n' &&
         character != '\r';
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::unique_ptr<TableReader> open_table(const std::string& path, TableOptions options, Caller caller) {
  if (options.delimiter && !is_delimiter(*options.delimiter)) {
    raise<ValueError>(caller, "open_table: the byte {} cannot stand between fields",
                      static_cast<unsigned char>(*options.delimiter));
  }
  const TableFormat format = options.format ? *options.format : table_format(path);
  if (format == TableFormat::jsonl) return std::make_unique<JsonlReader>(path);
  return std::make_unique<CsvReader>(path, options.delimiter.value_or(format == TableFormat::tsv ? '\t' : ','),
                                     options);
}

}  // namespace fovea::data
