#include "fovea/data/label_file.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "fovea/data/file_error.h"
#include "fovea/data/label_columns.h"

namespace fovea::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view file_names[] = {"file", "file_name", "filename", "path"};
constexpr std::string_view label_names[] = {"label", "labels"};

/// The column that was asked for, else the first that has one of the `usual` names, else the first that is not `taken`.
size_t column_of(const TableReader& table, const std::string& asked, std::span<const std::string_view> usual,
                 std::span<const size_t> taken) {
  if (!asked.empty()) return table.column(asked);
  for (const std::string_view name : usual) {
    if (const auto named = find_column(table, name, taken)) return table.column(table.columns()[*named]);
  }
  for (size_t i = 0; i < table.columns().size(); ++i) {
    if (std::find(taken.begin(), taken.end(), i) == taken.end()) return i;
  }
  const std::string* names = table.columns().data();
  fail(table.path(), "no column is left for the {}; it has only {}{}", usual.front(),
       list_in_quotes(names, names + table.columns().size()), delimiter_hint(table.columns()));
}

/// The columns of files and labels. What tells that a column is the one's keeps it from being the other's by its place.
std::pair<size_t, LabelColumns> columns_of(const TableReader& table, const LabelFile& from) {
  const auto checked = [&](size_t file, LabelColumns labels) {
    if (!labels.contains(file)) return std::pair(file, std::move(labels));
    fail(table.path(), "column {} cannot be both file and label", in_quotes(table.columns()[file]));
  };
  if (!from.label_columns.empty()) {
    LabelColumns labels(table, from.label_columns);
    const size_t file = column_of(table, from.file, file_names, labels.columns());
    return checked(file, std::move(labels));
  }
  std::optional<size_t> label;
  if (!from.label.empty()) label = table.column(from.label);
  for (const std::string_view name : label_names) {
    if (!label) label = find_column(table, name, {});
  }
  const std::span<const size_t> taken = label ? std::span<const size_t>(&*label, 1) : std::span<const size_t>();
  const size_t file = column_of(table, from.file, file_names, taken);
  return checked(file, {table, column_of(table, from.label, label_names, std::span(&file, 1))});
}

std::string normal(const fs::path& path) { return path.lexically_normal().string(); }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// The files of a source, by the names that rows may give them.
class Files {
 public:
  Files(const ExampleSource& source, const std::string& table, const std::vector<std::string>& names)
      : source_(source), beside_(fs::path(table).parent_path()), folder_(is_folder(source.path)) {
    for (size_t i = 0; i < names.size(); ++i) places_.emplace(normal(names[i]), i);
    if (!names.empty()) first_ = names.front();
    std::error_code error;
    absolute_ = fs::absolute(source.path, error).lexically_normal();
  }

  /// Its place in the source; none where it is a file elsewhere. Throws DataError.
  std::optional<size_t> find(const std::string& path, int64_t line, std::string_view name) const {
    if (const auto found = places_.find(normal(name)); found != places_.end()) return found->second;
    const fs::path from_table = beside_ / name;
    std::error_code error;
    const fs::path within = fs::absolute(from_table, error).lexically_normal().lexically_relative(absolute_);
    if (const auto found = places_.find(within.string()); folder_ && found != places_.end()) return found->second;
    if (is_there(from_table) || (folder_ && is_there(fs::path(source_.path) / name))) return std::nullopt;
    fail_at(path, line, "there is no {} in {}{}", in_quotes(name), source_.path,
            first_.empty() ? "" : ", whose first file is " + in_quotes(first_));
  }

 private:
  const ExampleSource& source_;
  fs::path beside_, absolute_;
  bool folder_;
  std::string first_;
  std::unordered_map<std::string, size_t> places_;
};

struct Told {
  std::string label;
  int64_t line = 0;  // 0: nothing was told
};

}  // namespace

void refuse_lone_labels(const LabelFile& from, const std::string& source) {
  if (from.several_labels && from.path.empty()) {
    fail(source, "its folders and names tell one label of each file; several stand in a table (--labels)");
  }
}

std::vector<std::string> load_file_labels(const LabelFile& from, const ExampleSource& source,
                                          const std::vector<std::string>& names, const std::vector<std::string>& chosen,
                                          LabelRows& rows) {
  const auto table = open_table(from.path, from.table);
  auto [file, cells] = columns_of(*table, from);
  rows = {.path = from.path, .columns = {table->columns()[file], cells.name()}};
  std::vector<size_t> wanted{file};
  wanted.insert(wanted.end(), cells.columns().begin(), cells.columns().end());
  table->select(wanted);
  if (from.several_labels && from.label_columns.empty()) table->allow_list(cells.columns()[0]);
  const Files files(source, from.path, names);
  std::vector<Told> told(names.size());
  for (Row row; table->next(row);) {
    const std::string_view name = trimmed(row.fields[0]);
    if (name.empty()) fail_at(from.path, row.line, "the file's name is empty");
    const std::optional<size_t> place = files.find(from.path, row.line, name);
    if (!place) continue;
    Told& here = told[*place];
    if (here.line > 0) {
      fail_at(from.path, row.line, "a second row of {}; the first is in line {}", in_quotes(name), here.line);
    }
    here = {std::string(cells.cell(row.fields.subspan(1), row.line)), row.line};
  }

  std::unordered_map<std::string_view, const Told*> by_name;
  for (size_t i = 0; i < names.size(); ++i) by_name.emplace(names[i], &told[i]);
  std::vector<std::string> labels, missing;
  for (const std::string& name : chosen) {
    const Told& here = *by_name.at(name);
    if (here.line == 0) {
      missing.push_back(name);
      continue;
    }
    if (here.label.empty() && !from.several_labels) fail_at(from.path, here.line, "the label is empty");
    labels.push_back(here.label);
    rows.lines.push_back(here.line);
  }
  if (!missing.empty()) {
    fail(from.path, "no row of {} in {}", list_in_quotes(missing.data(), missing.data() + missing.size()), source.path);
  }
  return labels;
}

}  // namespace fovea::data
