#include "fovea/data/label_columns.h"

#include <algorithm>
#include <optional>

#include "fovea/data/file_error.h"
#include "fovea/data/parse_number.h"
#include "fovea/data/unicode.h"

namespace fovea::data {
namespace {

/// Nothing where a field says neither. A column that misses values is one of floats to data frames, which write 1.0.
std::optional<bool> said_by(std::string_view field) {
  if (field.empty()) return false;
  if (const auto number = parse_number<double>(field)) {
    return *number == 0 || *number == 1 ? std::optional(*number == 1) : std::nullopt;
  }
  std::string word(field);
  std::transform(word.begin(), word.end(), word.begin(), ascii_lower);
  if (word == "true") return true;
  return word == "false" ? std::optional(false) : std::nullopt;
}

}  // namespace

LabelColumns::LabelColumns(const TableReader& table, size_t column)
    : path_(table.path()), columns_{column}, name_(table.columns()[column]) {}

LabelColumns::LabelColumns(const TableReader& table, const std::vector<std::string>& columns) : path_(table.path()) {
  for (const std::string& each : columns) {
    const size_t column = table.column(each);
    const std::string label(trimmed(table.columns()[column]));
    if (label.empty()) fail(path_, "column {} has no name, which would be that of a label", column);
    if (contains(column)) fail(path_, "the column {} stands twice among those of labels", in_quotes(label));
    columns_.push_back(column);
    labels_.push_back(label);
    name_ += (name_.empty() ? "" : ",") + label;
  }
}

bool LabelColumns::contains(size_t column) const {
  return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
}

std::string_view LabelColumns::cell(std::span<const std::string_view> fields, int64_t line) {
  if (labels_.empty()) return trimmed(fields[0]);
  list_.clear();
  for (size_t i = 0; i < labels_.size(); ++i) {
    const std::optional<bool> holds = said_by(trimmed(fields[i]));
    if (!holds) {
      fail_at(path_, line, "{} in column {}; whether a row has that label is said by 1 or 0, true or false",
              in_quotes(fields[i]), in_quotes(labels_[i]));
    }
    if (*holds) list_ += labels_[i] + '\0';
  }
  return list_;
}

}  // namespace fovea::data
