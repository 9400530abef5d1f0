#include "fovea/data/table_encoder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/data/file_error.h"
#include "fovea/data/files.h"
#include "fovea/data/parse_json.h"
#include "fovea/data/parse_number.h"

namespace fovea::data {
namespace {

using Json = nlohmann::ordered_json;

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// The number of a cell whose comma is a point; none where it has a point.
std::optional<double> with_comma(std::string cell) {
  if (cell.find('.') != std::string::npos) return std::nullopt;
  if (const size_t comma = cell.find(','); comma != std::string::npos) cell[comma] = '.';
  return parse_number<double>(cell);
}

[[noreturn]] void not_a_number(const TabularDataset& dataset, int64_t row, size_t column) {
  const int64_t line = dataset.lines[static_cast<size_t>(row)];
  const std::string what = fmt::format("column {}: {} is not a number", in_quotes(dataset.columns[column]),
                                       in_quotes(dataset.cell(row, column)));
  if (line == 0) throw DataError(what);
  fail_at(dataset.path, line, "{}", what);
}

void check_names(const TabularDataset& dataset, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (contains(dataset.columns, name)) continue;
    const std::string* all = dataset.columns.data();
    fail(dataset.path, "no column {} to learn from; there are {}", in_quotes(name),
         list_in_quotes(all, all + dataset.columns.size()));
  }
}

}  // namespace

bool TableEncoder::is_missing(const std::string& cell) const { return cell.empty() || contains(missing_, cell); }

std::optional<double> TableEncoder::number(const TabularDataset& dataset, int64_t row, size_t column) const {
  const std::string& cell = dataset.cell(row, column);
  if (!decimal_comma_) return parse_number<double>(cell);
  const bool typed = dataset.lines[static_cast<size_t>(row)] == 0;
  return typed && cell.find(',') == std::string::npos ? parse_number<double>(cell) : with_comma(cell);
}

void TableEncoder::number_ids() {
  first_ids_.clear();
  ids_ = 0;
  for (Column& column : columns_) {
    if (column.numeric) continue;
    column.first_id = static_cast<int32_t>(ids_);
    first_ids_.push_back(column.first_id);
    ids_ += 1 + static_cast<int64_t>(column.categories.size());
  }
}

TableEncoder TableEncoder::fit(const TabularDataset& dataset, std::span<const int64_t> rows,
                               const TableEncoderOptions& options) {
  check_names(dataset, options.numeric);
  check_names(dataset, options.categorical);
  TableEncoder encoder;
  encoder.missing_ = options.missing;
  encoder.decimal_comma_ = options.decimal_comma;
  encoder.order_ = dataset.order;
  for (size_t c = 0; c < dataset.columns.size(); ++c) {
    Column column{.name = dataset.columns[c]};
    const bool forced = contains(options.numeric, column.name);
    column.numeric = !contains(options.categorical, column.name);
    if (forced && !column.numeric)
      fail(dataset.path, "{} is to be both numeric and categorical", in_quotes(column.name));
    const bool open = column.numeric && !forced;
    std::vector<double> numbers;
    std::set<std::string> categories;
    size_t cells = 0, commas = 0;
    for (const int64_t row : rows) {
      const std::string& cell = dataset.cell(row, c);
      if (encoder.is_missing(cell)) continue;
      categories.insert(cell);
      ++cells;
      if (!open && !forced) continue;
      const std::optional<double> number = encoder.number(dataset, row, c);
      if (!number && forced) not_a_number(dataset, row, c);
      if (!number && column.numeric) column.odd_row = row;
      column.numeric = column.numeric && number;
      if (number) numbers.push_back(*number);
      if (number || cell.find(',') == std::string::npos || !with_comma(cell)) continue;
      if (commas++ == 0) column.comma_row = row;
    }
    if (10 * (numbers.size() + commas) < 9 * cells) column.comma_row = -1;
    if (10 * numbers.size() < 9 * cells) column.odd_row = -1;
    column.names_rows = open && !column.numeric && cells >= 20 && 10 * categories.size() >= 9 * cells;
    if (column.numeric) {
      column.scaler = Scaler::fit(numbers, options.scaling);
    } else {
      column.categories.assign(categories.begin(), categories.end());
    }
    encoder.columns_.push_back(std::move(column));
  }
  encoder.number_ids();
  return encoder;
}

EncodedTable TableEncoder::encode(const TabularDataset& dataset) const {
  EncodedTable table{.rows = dataset.size()};
  table.numbers.reserve(static_cast<size_t>(dataset.size() * numeric_columns()));
  table.categories.reserve(static_cast<size_t>(dataset.size() * categorical_columns()));
  for (int64_t row = 0; row < dataset.size(); ++row) {
    for (size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      const std::string& cell = dataset.cell(row, c);
      const bool gone = is_missing(cell);
      if (column.numeric) {
        const std::optional<double> number = gone ? std::nullopt : this->number(dataset, row, c);
        if (!gone && !number) not_a_number(dataset, row, c);
        table.numbers.push_back(gone ? 0.0f : static_cast<float>(column.scaler(*number)));
        table.missing.push_back(gone);
      } else {
        const auto found = std::lower_bound(column.categories.begin(), column.categories.end(), cell);
        const bool known = !gone && found != column.categories.end() && *found == cell;
        table.categories.push_back(known ? column.first_id + 1 + static_cast<int32_t>(found - column.categories.begin())
                                         : column.first_id);
      }
    }
  }
  return table;
}

void TableEncoder::save(const std::string& path) const {
  Json object{{"missing", missing_}};
  Json& columns = object["columns"] = Json::array();
  for (const Column& column : columns_) {
    Json& entry =
        columns.emplace_back(Json{{"name", column.name}, {"kind", column.numeric ? "numeric" : "categorical"}});
    if (column.numeric) {
      entry["scaling"] = column.scaler.scaling() == Scaling::standard ? "standard" : "quantile";
      entry["scale"] = column.scaler.parameters();
    } else {
      entry["categories"] = column.categories;
    }
  }
  if (decimal_comma_) object["decimal_comma"] = true;
  if (order_.size() > columns_.size()) object["order"] = order_;
  write_atomically(path, object.dump(1) + '\n');
}

TableEncoder TableEncoder::load(const std::string& path) {
  TableEncoder encoder;
  const std::string text = read_file(path, size_t{1} << 28);
  try {
    const Json object = parse_json<Json>(path, text);
    encoder.missing_ = object.at("missing").get<std::vector<std::string>>();
    encoder.decimal_comma_ = object.value("decimal_comma", false);
    encoder.order_ = object.value("order", std::vector<std::string>());
    for (const Json& entry : object.at("columns")) {
      Column column{.name = entry.at("name").get<std::string>(), .numeric = entry.at("kind") == "numeric"};
      if (column.numeric) {
        column.scaler =
            Scaler::from_parameters(entry.at("scaling") == "standard" ? Scaling::standard : Scaling::quantile,
                                    entry.at("scale").get<std::vector<double>>());
      } else {
        column.categories = entry.at("categories").get<std::vector<std::string>>();
      }
      encoder.columns_.push_back(std::move(column));
    }
  } catch (const Json::exception&) {
    fail(path, "not the columns of a model");
  } catch (const ValueError&) {
    fail(path, "a column's scale is not one");
  }
  encoder.number_ids();
  return encoder;
}

}  // namespace fovea::data
