#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/backends/error.h"

namespace fovea::data {

enum class TableFormat : uint8_t { csv, tsv, jsonl };

/// By the ending of a file's name: .csv, .tsv or .tab, .jsonl or .ndjson; each also with .gz behind it. Throws
/// DataError for another one.
TableFormat table_format(const std::string& path);

struct TableOptions {
  std::optional<TableFormat> format = std::nullopt;  // by the file's name where not given
  bool header = true;                                // csv, tsv: the first record names the columns
  int64_t skip_lines = 0;                            // csv, tsv: lines before it, whatever they hold
  std::optional<char> delimiter = std::nullopt;      // csv, tsv: what stands between fields, where not "," or a tab
};

/// Whether a byte can stand between fields: ASCII, no letter, digit, quote or line break.
bool is_delimiter(char character);

/// One record of a table; valid until the next one is read.
struct Row {
  std::span<const std::string_view> fields;
  int64_t line = 0;  // where it begins, from 1
};

/// Reads a table row by row, in memory that does not grow with the file:
///
///     auto table = open_table("train.csv.gz");
///     table->select({table->column("text"), table->column("label")});
///     for (Row row; table->next(row);) use(row.fields[0], row.fields[1], row.line);
///
/// CSV and TSV are RFC 4180's, with \n or \r\n; blank lines are skipped and a byte-order mark too. Between tabs a quote
/// inside a field that does not begin with one is an ordinary character. In JSONL every line is an object; a field is a
/// string, a number, true or false, or null, which reads as the empty string. Text is UTF-8 throughout.
class TableReader {
 public:
  virtual ~TableReader() = default;

  /// The header's names, without spaces around them; "0", "1", ... without a header; in JSONL the keys of the first object.
  const std::vector<std::string>& columns() const { return columns_; }
  /// The position of a column that is given by its name or, where none has that name, by its position from 0. Throws
  /// DataError that lists the columns where it is absent or two have that name.
  size_t column(std::string_view name_or_position) const;
  /// Rows hold these columns, in this order, from now on; at first all. Throws IndexError.
  void select(std::vector<size_t> columns, Caller caller = {});

  /// In JSONL this column may also hold lists of strings, numbers, true or false: their items one behind the other, each
  /// ended by a NUL character, which no other field holds. Throws IndexError.
  void allow_list(size_t column, Caller caller = {});

  /// The next row; false at the end. Throws DataError with the line of what is malformed.
  virtual bool next(Row& row) = 0;

  const std::string& path() const { return path_; }
  /// How much of the file has been read and how long it is (0 for a pipe), in bytes as they lie on the disk.
  virtual int64_t position() const = 0;
  virtual int64_t size() const = 0;

 protected:
  explicit TableReader(std::string path) : path_(std::move(path)) {}
  void set_columns(std::vector<std::string> names);
  const std::vector<size_t>& selected() const { return selected_; }
  std::optional<size_t> list_column() const { return list_column_; }

 private:
  virtual void selection_changed() {}

  std::string path_;
  std::vector<std::string> columns_;
  std::vector<size_t> selected_;
  std::optional<size_t> list_column_;
};

/// The first column of a name in lower case, in whatever case it stands there ("Label"), that is not among `taken`.
std::optional<size_t> find_column(const TableReader& table, std::string_view name, std::span<const size_t> taken);

/// "; ...": what may be wrong where columns are missing: a header of one name that holds other delimiters. Or "".
std::string delimiter_hint(const std::vector<std::string>& columns);

/// `text` without the blanks and tabs at its ends, which belong to no label and no cell.
std::string_view trimmed(std::string_view text);

/// Opens a table and reads its header or first object. Throws DataError, ValueError for a delimiter that cannot be one.
std::unique_ptr<TableReader> open_table(const std::string& path, TableOptions options = {}, Caller caller = {});

}  // namespace fovea::data
