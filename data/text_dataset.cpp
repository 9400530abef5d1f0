#include "fovea/data/text_dataset.h"

#include <algorithm>
#include <optional>

#include "fovea/data/file_error.h"
#include "fovea/data/text_window.h"

namespace fovea::data {
namespace {

size_t default_column(const TableReader& table, std::string_view name, std::span<const size_t> taken) {
  if (const auto named = find_column(table, name, taken)) return table.column(table.columns()[*named]);
  for (size_t i = 0; i < table.columns().size(); ++i) {
    if (std::find(taken.begin(), taken.end(), i) == taken.end()) return i;
  }
  const std::string* names = table.columns().data();
  fail(table.path(), "no column is left for the {}; it has only {}{}", name,
       list_in_quotes(names, names + table.columns().size()), delimiter_hint(table.columns()));
}

}  // namespace

TextReader::TextReader(const std::string& path, const TextColumns& columns, TableOptions options)
    : table_(open_table(path, options)), may_lack_labels_(columns.several_labels) {
  std::vector<size_t> text;
  for (const std::string& column : columns.text) text.push_back(table_->column(column));
  size_t label;
  if (!columns.label.empty()) {
    label = table_->column(columns.label);
  } else {
    // A column named "text" is not the label, even where it is the first one.
    std::vector<size_t> taken = text;
    if (const auto named = find_column(*table_, "text", {})) taken.push_back(*named);
    label = default_column(*table_, "label", taken);
  }
  if (text.empty()) text.push_back(default_column(*table_, "text", std::span(&label, 1)));

  if (std::find(text.begin(), text.end(), label) != text.end()) {
    fail(path, "column {} cannot be both text and label", in_quotes(table_->columns()[label]));
  }
  std::vector<size_t> wanted = text;
  wanted.push_back(label);
  for (const size_t i : wanted) columns_.push_back(table_->columns()[i]);
  table_->select(wanted);
  if (columns.several_labels) table_->allow_list(label);
}

bool TextReader::next(LabelledText& out) {
  Row row;
  if (!table_->next(row)) return false;
  const size_t texts = row.fields.size() - 1;
  out.text = row.fields[0];
  if (texts > 1) {
    joined_ = row.fields[0];
    for (size_t i = 1; i < texts; ++i) {
      joined_ += ' ';
      joined_ += row.fields[i];
    }
    out.text = joined_;
  }
  if (out.text.find('\r') != std::string_view::npos) {
    if (texts == 1) joined_ = out.text;
    use_line_feeds(joined_);
    out.text = joined_;
  }
  out.label = trimmed(row.fields[texts]);
  out.line = row.line;
  if (out.label.empty() && !may_lack_labels_) fail_at(table_->path(), row.line, "the label is empty");
  return true;
}

TextDataset load_text_dataset(const std::string& path, const TextColumns& columns, TableOptions options) {
  TextReader reader(path, columns, options);
  TextDataset dataset;
  dataset.path = path;
  dataset.columns = reader.columns();
  for (LabelledText each; reader.next(each);) {
    dataset.texts.emplace_back(each.text);
    dataset.labels.emplace_back(each.label);
    dataset.lines.push_back(each.line);
  }
  if (dataset.size() == 0) fail(path, "no rows below the header");
  return dataset;
}

std::vector<int32_t> label_ids(const TextDataset& dataset, const Labels& labels) {
  return label_ids(dataset.labels, LabelPlaces(dataset.path, dataset.lines), labels);
}

}  // namespace fovea::data
