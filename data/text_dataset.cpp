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

LabelColumns label_columns(const TableReader& table, const TextColumns& columns) {
  if (!columns.label_columns.empty()) return {table, columns.label_columns};
  if (!columns.label.empty()) return {table, table.column(columns.label)};
  std::vector<size_t> taken;
  for (const std::string& column : columns.text) taken.push_back(table.column(column));
  // A column named "text" is not the label, even where it is the first one.
  if (const auto named = find_column(table, "text", {})) taken.push_back(*named);
  return {table, default_column(table, "label", taken)};
}

}  // namespace

TextReader::TextReader(const std::string& path, const TextColumns& columns, TableOptions options)
    : table_(open_table(path, options)),
      labels_(label_columns(*table_, columns)),
      may_lack_labels_(columns.several_labels) {
  std::vector<size_t> wanted;
  for (const std::string& column : columns.text) wanted.push_back(table_->column(column));
  if (wanted.empty()) wanted.push_back(default_column(*table_, "text", labels_.columns()));
  for (const size_t text : wanted) {
    columns_.push_back(table_->columns()[text]);
    if (labels_.contains(text)) fail(path, "column {} cannot be both text and label", in_quotes(columns_.back()));
  }
  columns_.push_back(labels_.name());
  wanted.insert(wanted.end(), labels_.columns().begin(), labels_.columns().end());
  table_->select(wanted);
  if (columns.several_labels && columns.label_columns.empty()) table_->allow_list(labels_.columns()[0]);
}

bool TextReader::next(LabelledText& out) {
  Row row;
  if (!table_->next(row)) return false;
  const size_t texts = row.fields.size() - labels_.columns().size();
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
  out.label = labels_.cell(row.fields.subspan(texts), row.line);
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
