#include "fovea/train/table_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <numeric>

#include "fovea/data/batch.h"
#include "fovea/data/file_error.h"
#include "fovea/data/loader.h"
#include "fovea/data/parse_number.h"
#include "fovea/data/string_index.h"
#include "fovea/data/text_dataset.h"
#include "fovea/onnx/operations.h"
#include "fovea/tensor/creation.h"
#include "fovea/train/columns_note.h"
#include "fovea/train/inference.h"

namespace fovea::train {
namespace {

namespace fs = std::filesystem;

std::string columns_path(const std::string& folder) { return fs::path(folder) / "columns.json"; }
std::string words_path(const std::string& folder) { return fs::path(folder) / "vocabulary.txt"; }

uint64_t hash_of(const data::TabularDataset& rows, uint64_t hash) {
  const auto mix = [&](const std::string& text) {
    hash = std::rotl(hash, 5) * 0x9e3779b97f4a7c15u ^ data::hash_bytes(text);
  };
  for (const auto* list : {&rows.columns, &rows.cells, &rows.texts, &rows.labels}) {
    for (const std::string& each : *list) mix(each);
  }
  return hash;
}

/// Throws DataError where a table has two columns of one of these names, by which a model finds its columns again.
void check_names(const std::string& path, std::vector<std::string> names, const std::string& label,
                 const data::TableOptions& options) {
  const auto table = data::open_table(path, options);
  names.push_back(label);
  for (const std::string& name : names) {
    std::vector<size_t> places;
    for (size_t i = 0; i < table->columns().size(); ++i) {
      if (table->columns()[i] == name) places.push_back(i);
    }
    if (places.size() < 2) continue;
    const bool number = options.header && data::parse_number<double>(name);
    data::fail(path, "{} columns are named {}, by which a model finds its columns: {}", places.size(),
               data::in_quotes(name),
               number          ? "use --no-header where the first line holds no names"
               : name == label ? "rename them"
                               : fmt::format("rename them or leave them out by --drop {}", fmt::join(places, ",")));
  }
}

/// A row of another dataset, appended.
void append_row(data::TabularDataset& to, const data::TabularDataset& from, int64_t row) {
  const auto begin = from.cells.begin() + row * static_cast<int64_t>(from.columns.size());
  to.cells.insert(to.cells.end(), begin, begin + static_cast<int64_t>(from.columns.size()));
  const auto i = static_cast<size_t>(row);
  if (!from.texts.empty()) to.texts.push_back(from.texts[i]);
  if (!from.labels.empty()) to.labels.push_back(from.labels[i]);
  to.lines.push_back(from.lines[i]);
}

/// The chosen rows of a matrix that is stored row by row.
template <class T>
std::vector<T> gather(const std::vector<T>& matrix, int64_t columns, std::span<const int64_t> rows) {
  std::vector<T> out;
  out.reserve(rows.size() * static_cast<size_t>(columns));
  for (const int64_t row : rows) {
    const auto begin = matrix.begin() + row * columns;
    out.insert(out.end(), begin, begin + columns);
  }
  return out;
}

Tensor booleans(const std::vector<uint8_t>& values, const Shape& shape, Device device) {
  Tensor tensor = empty(shape, {.dtype = boolean, .device = device});
  tensor.backend().write(*tensor.buffer(), 0, values.data(), values.size());
  return tensor;
}

}  // namespace

void TableTask::declare_data(OptionTable& options) {
  options.group("Data");
  options.add("label", &table_.columns.label, "column of the class, by name or position from 0",
              {.placeholder = "COLUMN", .default_text = "the last", .unless = {"label-columns"}});
  if (with_text_) {
    options.add("text", &table_.columns.text, "column of the text; several are joined",
                {.placeholder = "COLUMN[,COLUMN]", .default_text = "text"});
  }
  labels_.declare_data(options);
  table_.form.declare(options);
}

void TableTask::declare_model(OptionTable& options) {
  labels_.declare_model(options);
  options.group("Columns");
  options.add("drop", &table_.columns.drop, "columns to leave out", {.placeholder = "COLUMN[,COLUMN]"});
  options.add("numeric", &table_.numeric, "columns of numbers, whatever they look like",
              {.placeholder = "COLUMN[,COLUMN]", .default_text = "those in which every cell is a number"});
  options.add("categorical", &table_.categorical, "columns of categories, though they may look like numbers",
              {.placeholder = "COLUMN[,COLUMN]", .default_text = "the others"});
  options.add("missing", &table_.missing, "what a cell without a value holds", {.placeholder = "TEXT[,TEXT]"});
  options.add("decimal-comma", &table_.decimal_comma, "numbers are written with a comma for the point: 3,95");
  options.add("scale", &table_.scaling, "how numbers are scaled: by mean and deviation, or by their ranks",
              {.choices = {"standard", "quantile"}});
  if (!with_text_) return;
  options.group("Tokens");
  options.add("tokens", &table_.tokens, "what a text is split into", {.choices = {"word", "char"}});
  options.add("vocabulary", &table_.vocabulary, "most tokens to know", {.min = 2, .max = 1 << 28});
  options.add("max-length", &table_.max_length, "tokens of a text that are read; 0 for all",
              {.min = 0, .max = 1 << 28});
}

std::vector<std::string> TableTask::text_columns() const {
  return table_.columns.text.empty() ? std::vector<std::string>{"text"} : table_.columns.text;
}

data::TabularDataset TableTask::read(const std::string& path, bool training) const {
  labels_.check();
  data::TabularColumns columns = table_.columns;
  if (!training) {
    columns.drop.clear();
    for (const data::TableEncoder::Column& column : columns_.columns()) columns.features.push_back(column.name);
  }
  if (with_text_) columns.text = text_columns();
  columns.several_labels = labels_.several();
  columns.label_columns = labels_.columns(columns.label, "label");
  return data::load_tabular_dataset(path, columns, table_.form.options());
}

void TableTask::load_training(const TrainingFiles& files) {
  const data::TabularDataset all = read(files.train, true);
  check_names(files.train, all.columns, all.label, table_.form.options());
  if (labels_.columns(table_.columns.label, "label").empty()) table_.columns.label = all.label;
  if (!table_.columns.text.empty()) table_.columns.text = all.text_columns;
  const std::vector<int32_t> ids = labels_.learn(files.train, all.label, all.labels, {all.path, all.lines});
  columns_note_ = "label " + data::in_quotes(all.label);
  const std::string* texts = all.text_columns.data();
  if (with_text_) columns_note_ += ", text " + data::list_in_quotes(texts, texts + all.text_columns.size());
  fingerprint_ = hash_of(all, 0);
  parts_ = {};
  const std::vector<Part> parts = labels_.divide(ids, files);
  for (Examples& part : parts_) part.rows = {.path = all.path, .label = all.label, .columns = all.columns};
  for (int64_t row = 0; row < all.size(); ++row) {
    Examples& to = at(parts[static_cast<size_t>(row)]);
    append_row(to.rows, all, row);
    to.labels.push_back(ids[static_cast<size_t>(row)]);
  }
  fit(all, parts);
  if (!files.valid.empty()) {
    Examples& valid = at(Part::valid);
    valid.rows = read(files.valid, false);
    fingerprint_ = hash_of(valid.rows, fingerprint_);
    valid.labels = labels_.ids(valid.rows.labels, {files.valid, valid.rows.lines});
  }
  for (Examples& part : parts_) encode(part);
}

void TableTask::fit(const data::TabularDataset& all, const std::vector<Part>& parts) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == Part::train) rows.push_back(static_cast<int64_t>(i));
  }
  columns_ = data::TableEncoder::fit(
      all, rows,
      {.scaling = table_.scaling == "standard" ? data::Scaling::standard : data::Scaling::quantile,
       .numeric = table_.numeric,
       .categorical = table_.categorical,
       .missing = table_.missing,
       .decimal_comma = table_.decimal_comma});
  columns_note_ += columns_note(columns_, all, !table_.form.no_header);
  if (with_text_) make_text_encoder(std::nullopt);
}

void TableTask::make_text_encoder(std::optional<data::Vocabulary> vocabulary) {
  std::shared_ptr<const data::Tokenizer> tokenizer = data::make_tokenizer(table_.tokens);
  if (!vocabulary) {
    vocabulary = data::Vocabulary::build(data::count_tokens(at(Part::train).rows.texts, *tokenizer),
                                         {.max_size = table_.vocabulary});
  }
  text_.emplace(std::move(tokenizer), std::move(*vocabulary),
                data::TextEncoderOptions{.max_length = table_.max_length});
}

void TableTask::encode(Examples& examples) const {
  examples.encoded = columns_.encode(examples.rows);
  if (text_) examples.ids = text_->encode(examples.rows.texts);
}

void TableTask::load_test(const std::string& path) {
  Examples& test = at(Part::test);
  test = {.rows = read(path, false)};
  test.labels = labels_.ids(test.rows.labels, {path, test.rows.lines});
  encode(test);
}

std::vector<std::string> TableTask::set_inputs(const std::vector<std::string>& inputs) {
  Examples& test = at(Part::test);
  test = {};
  for (const data::TableEncoder::Column& column : columns_.columns()) test.rows.columns.push_back(column.name);
  if (with_text_) test.rows.text_columns = text_columns();
  test.rows.order = columns_.order();
  for (const std::string& input : inputs) data::append_typed_row(test.rows, input);
  encode(test);
  return inputs;
}

nn::Module& TableTask::build(Device device) {
  device_ = device;
  model_ = make_model({.numeric = columns_.numeric_columns(),
                       .first_ids = columns_.first_ids(),
                       .ids = columns_.ids(),
                       .tokens = text_ ? text_->ids() : 0,
                       .classes = labels().size()});
  model_->to(device);
  return *model_;
}

TableBatch TableTask::batch(const Examples& examples, std::span<const int64_t> chosen) const {
  const data::EncodedTable& table = examples.encoded;
  const auto rows = static_cast<int64_t>(chosen.size());
  const int64_t numeric = columns_.numeric_columns(), categorical = columns_.categorical_columns();
  TableBatch batch;
  if (numeric > 0) {
    batch.numbers = from_vector(gather(table.numbers, numeric, chosen), Shape{rows, numeric}, device_);
    batch.missing = booleans(gather(table.missing, numeric, chosen), {rows, numeric}, device_);
  }
  if (categorical > 0) {
    batch.categories = from_vector(gather(table.categories, categorical, chosen), Shape{rows, categorical}, device_);
  }
  if (text_) {
    data::Batch texts = data::make_batch(examples.ids, {}, chosen, device_);
    batch.tokens = std::move(texts.tokens);
    batch.lengths = std::move(texts.lengths);
    batch.mask = std::move(texts.mask);
  }
  if (!examples.labels.empty()) batch.labels = from_vector(gather(examples.labels, 1, chosen), device_);
  batch.examples.assign(chosen.begin(), chosen.end());
  return batch;
}

std::unique_ptr<BatchStream> TableTask::stream(Part part, const StreamOptions& options) {
  const Examples& examples = at(part);
  const data::BatchSamplerOptions sampling = options.sampler(examples.labels);
  auto loader = std::make_shared<data::DataLoader<TableBatch>>(
      text_ ? data::BatchSampler(examples.ids.lengths(), sampling) : data::BatchSampler(examples.rows.size(), sampling),
      [this, &examples](std::span<const int64_t> chosen) { return batch(examples, chosen); });
  return with_label_rows(
      part, std::make_unique<LoaderStream<TableBatch>>(
                std::move(loader), [this](const TableBatch& input) { return forward(*model_, input).logits; }));
}

std::vector<double> TableTask::unit_weights(Part part, int64_t example, int32_t) {
  const nn::Evaluating evaluating(*model_);
  const std::array<int64_t, 1> chosen{example};
  const TableOutput output = forward(*model_, batch(at(part), chosen));
  // A model that does not look at columns, or not at the text, gives them no attention; one that looks at both shares it
  // out between them.
  const bool both = output.weights.defined() && output.token_weights.defined();
  const auto shares = [&](const Tensor& attention, size_t units) {
    auto values = attention.defined() ? attention.to_vector<double>() : std::vector<double>(units);
    for (double& value : values) value /= both ? 2 : 1;
    return values;
  };
  const std::vector<double> of_columns = shares(output.weights, columns_.columns().size());
  // The model has numeric columns first; people read them in the order of the table.
  std::vector<double> weights;
  size_t numeric = 0, categorical = static_cast<size_t>(columns_.numeric_columns());
  for (const data::TableEncoder::Column& column : columns_.columns()) {
    weights.push_back(of_columns[column.numeric ? numeric++ : categorical++]);
  }
  if (text_) {
    const std::vector<double> of_tokens = shares(output.token_weights, at(part).ids[example].size());
    weights.insert(weights.end(), of_tokens.begin(), of_tokens.end());
  }
  return weights;
}

Predictions TableTask::without_units(Part part, int64_t example, const std::vector<std::vector<size_t>>& removed) {
  const Examples& from = at(part);
  const size_t columns = columns_.columns().size();
  Examples variants;
  variants.rows.columns = from.rows.columns;
  for (const std::vector<size_t>& each : removed) {
    append_row(variants.rows, from.rows, example);
    std::vector<int32_t> ids;
    if (text_) ids.assign(from.ids[example].begin(), from.ids[example].end());
    for (const size_t unit : each) {
      if (unit < columns) {
        variants.rows.cells[variants.rows.cells.size() - columns + unit].clear();
      } else {
        ids[unit - columns] = data::Vocabulary::unknown;
      }
    }
    if (text_) variants.ids.add(ids);
  }
  variants.encoded = columns_.encode(variants.rows);
  std::vector<int64_t> all(removed.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  const nn::Evaluating evaluating(*model_);
  const Tensor probabilities = probabilities_of(forward(*model_, batch(variants, all)).logits, multi_label());
  return {.classes = labels().size(), .probabilities = probabilities.to_vector<float>()};
}

Explanation TableTask::explain(Part part, int64_t example, int32_t predicted) {
  const data::TabularDataset& rows = at(part).rows;
  const std::vector<double> weights = unit_weights(part, example, predicted);
  std::vector<Piece> pieces;
  for (size_t c = 0; c < rows.columns.size(); ++c) {
    if (c > 0) pieces.push_back({", "});
    const std::string& cell = rows.cell(example, c);
    pieces.push_back({fmt::format("{}={}", rows.columns[c], cell.empty() ? "(missing)" : cell), weights[c]});
  }
  if (!text_) return explain_pieces(pieces);
  const std::string& text = rows.texts[static_cast<size_t>(example)];
  data::Tokens tokens;
  std::vector<int32_t> ids;
  text_->encode(text, tokens, ids);
  const size_t count = std::min(tokens.size(), ids.size());
  pieces.push_back({"\n"});
  size_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    const data::TextSpan span = tokens.span(i);
    if (span.begin > end) pieces.push_back({text.substr(end, span.begin - end)});
    pieces.push_back({std::string(span.in(text)), weights[rows.columns.size() + i]});
    end = span.end;
  }
  if (end < text.size()) pieces.push_back({unread_text(text, end)});
  return explain_pieces(pieces);
}

std::string TableTask::colour_note() const {
  return with_text_ ? "The stronger the colour, the more attention the column or the token gets."
                    : "The stronger the colour, the more attention the column gets.";
}

onnx::Value TableTask::emit(const nn::Module&, const TableInputs&) const { refuse_without_emit(); }

onnx::Value TableTask::build_graph(onnx::Graph& graph) {
  using onnx::Element;
  const int64_t numeric = columns_.numeric_columns(), categorical = columns_.categorical_columns();
  TableInputs inputs;
  if (numeric > 0) {
    inputs.numbers = graph.input("numbers", Element::f32, {"batch", numeric}, "scaled as columns.json says");
    inputs.missing = graph.input("missing", Element::boolean, {"batch", numeric}, "cells without a number");
  }
  if (categorical > 0) {
    inputs.categories =
        graph.input("categories", Element::i64, {"batch", categorical}, "ids by columns.json, each column's its own");
  }
  if (text_) {
    inputs.tokens = graph.input("tokens", Element::i64, {"batch", "time"},
                                "lines of vocabulary.txt, counted from 0 (1: any other token); 0 past the end");
    inputs.lengths = graph.input("lengths", Element::i64, {"batch"}, "tokens of each text");
    inputs.mask = onnx::before(inputs.lengths, onnx::size(inputs.tokens, 1));
  }
  return emit(*model_, inputs);
}

std::vector<nn::NamedTensor> TableTask::graph_inputs(Part part, std::span<const int64_t> examples) const {
  const TableBatch rows = batch(at(part), examples);
  std::vector<nn::NamedTensor> inputs{{"numbers", rows.numbers},
                                      {"missing", rows.missing},
                                      {"categories", rows.categories},
                                      {"tokens", rows.tokens},
                                      {"lengths", rows.lengths}};
  std::erase_if(inputs, [](const nn::NamedTensor& each) { return !each.tensor.defined(); });
  return inputs;
}

void TableTask::save(const std::string& folder) const {
  columns_.save(columns_path(folder));
  if (text_) text_->vocabulary().save(words_path(folder));
}

void TableTask::restore(const std::string& folder, data::Labels labels) {
  labels_.take(std::move(labels));
  columns_ = data::TableEncoder::load(columns_path(folder));
  if (with_text_) make_text_encoder(data::Vocabulary::load(words_path(folder)));
}

}  // namespace fovea::train
