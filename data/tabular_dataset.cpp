#include "fovea/data/tabular_dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/data/label_columns.h"
#include "fovea/data/text_window.h"

namespace fovea::data {
namespace {

std::vector<size_t> positions(const TableReader& table, const std::vector<std::string>& names) {
  std::vector<size_t> found;
  for (const std::string& name : names) found.push_back(table.column(name));
  return found;
}

bool contains(const std::vector<size_t>& list, size_t item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

template <class Text>
std::string joined(std::span<const Text> parts) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += ' ';
    out += parts[i];
  }
  return out;
}

/// A JSON value as the cell that it stands for.
std::string cell_of(const nlohmann::json& value, const std::string& row) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(trimmed(value.get_ref<const std::string&>()));
  if (value.is_object() || value.is_array())
    throw DataError(fmt::format("{}: a list or an object as a value", in_quotes(row)));
  return value.dump();
}

}  // namespace

TabularDataset load_tabular_dataset(const std::string& path, const TabularColumns& columns, TableOptions options) {
  const auto table = open_table(path, options);
  const bool each = !columns.label_columns.empty();
  const auto label = [&] { return columns.label.empty() ? table->columns().size() - 1 : table->column(columns.label); };
  LabelColumns labels = each ? LabelColumns(*table, columns.label_columns) : LabelColumns(*table, label());
  const std::vector<size_t> text = positions(*table, columns.text), dropped = positions(*table, columns.drop);
  std::vector<size_t> features = positions(*table, columns.features);
  if (columns.features.empty()) {
    for (size_t i = 0; i < table->columns().size(); ++i) {
      if (!labels.contains(i) && !contains(text, i) && !contains(dropped, i)) features.push_back(i);
    }
  }
  for (const size_t i : text) {
    if (labels.contains(i)) fail(path, "{} is both a text and the label", in_quotes(table->columns()[i]));
  }
  if (features.empty()) {
    const std::string* names = table->columns().data();
    fail(path, "no column is left to learn from; it has only {}{}",
         list_in_quotes(names, names + table->columns().size()), delimiter_hint(table->columns()));
  }

  TabularDataset dataset{.path = path, .label = labels.name()};
  for (const size_t i : features) dataset.columns.push_back(table->columns()[i]);
  for (const size_t i : text) dataset.text_columns.push_back(table->columns()[i]);
  for (size_t i = 0; i < table->columns().size(); ++i) {
    if (contains(features, i) || contains(text, i)) dataset.order.push_back(table->columns()[i]);
  }
  std::vector<size_t> wanted = features;
  wanted.insert(wanted.end(), text.begin(), text.end());
  wanted.insert(wanted.end(), labels.columns().begin(), labels.columns().end());
  table->select(wanted);
  if (columns.several_labels && !each) table->allow_list(labels.columns()[0]);
  for (Row row; table->next(row);) {
    for (size_t i = 0; i < features.size(); ++i) dataset.cells.emplace_back(trimmed(row.fields[i]));
    if (!text.empty()) {
      dataset.texts.push_back(joined<std::string_view>(row.fields.subspan(features.size(), text.size())));
      use_line_feeds(dataset.texts.back());
    }
    const std::string_view name = labels.cell(row.fields.last(labels.columns().size()), row.line);
    if (name.empty() && !columns.several_labels) fail_at(path, row.line, "the label is empty");
    dataset.labels.emplace_back(name);
    dataset.lines.push_back(row.line);
  }
  if (dataset.size() == 0) fail(path, "no rows below the header");
  return dataset;
}

std::vector<std::string> parse_csv_record(std::string_view record) {
  std::vector<std::string> fields(1);
  size_t i = 0;
  while (true) {
    std::string& field = fields.back();
    if (i < record.size() && record[i] == '"') {
      for (++i;; ++i) {
        if (i >= record.size()) throw DataError(fmt::format("{}: a quote is not closed", in_quotes(record)));
        if (record[i] == '"' && !(i + 1 < record.size() && record[i + 1] == '"')) break;
        if (record[i] == '"') ++i;
        field += record[i];
      }
      if (++i < record.size() && record[i] != ',') {
        throw DataError(fmt::format("{}: something stands behind a closing quote", in_quotes(record)));
      }
    } else {
      while (i < record.size() && record[i] != ',') field += record[i++];
    }
    if (i >= record.size()) return fields;
    ++i;
    fields.emplace_back();
  }
}

void append_typed_row(TabularDataset& dataset, const std::string& row) {
  std::vector<std::string> order = dataset.columns;
  order.insert(order.end(), dataset.text_columns.begin(), dataset.text_columns.end());
  if (!dataset.order.empty()) order = dataset.order;
  std::vector<std::string> cells(dataset.columns.size()), texts(dataset.text_columns.size());
  /// Where a column's value goes; null where there is no such column.
  const auto place_of = [&](const std::string& name) -> std::string* {
    for (auto [names, values] : {std::pair(&dataset.columns, &cells), std::pair(&dataset.text_columns, &texts)}) {
      const auto found = std::find(names->begin(), names->end(), name);
      if (found != names->end()) return &(*values)[static_cast<size_t>(found - names->begin())];
    }
    return nullptr;
  };
  const std::string_view bare = trimmed(row);
  const std::string names = list_in_quotes(order.data(), order.data() + order.size());
  if (bare.starts_with('{')) {
    const auto object = nlohmann::json::parse(bare.begin(), bare.end(), nullptr, false);
    if (!object.is_object()) throw DataError(fmt::format("{}: not a JSON object", in_quotes(row)));
    for (const auto& [name, value] : object.items()) {
      std::string* place = place_of(name);
      if (!place) {
        throw DataError(fmt::format("{}: no column {}; the model knows {}", in_quotes(row), in_quotes(name), names));
      }
      *place = cell_of(value, row);
    }
  } else {
    std::vector<std::string> fields = parse_csv_record(row);
    if (fields.size() != order.size()) {
      throw DataError(fmt::format("{}: {} value{}, expected {}: {}", in_quotes(row), fields.size(),
                                  fields.size() == 1 ? "" : "s", order.size(), names));
    }
    for (size_t i = 0; i < order.size(); ++i) {
      if (std::string* place = place_of(order[i])) *place = std::move(fields[i]);
    }
    for (std::string& cell : cells) cell = std::string(trimmed(cell));
  }
  dataset.cells.insert(dataset.cells.end(), cells.begin(), cells.end());
  if (!texts.empty()) dataset.texts.push_back(joined<std::string>(texts));
  dataset.lines.push_back(0);
}

}  // namespace fovea::data
