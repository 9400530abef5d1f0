#include "model.h"

using namespace fovea;

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("use", &use, "what the model sees", {.choices = {"both", "text", "columns"}});
  options.add("dim", &dim, "numbers that stand for a column or a token; even", {.min = 2, .max = 65536});
  options.add("heads", &heads, "heads of the cross-attention; they divide dim", {.min = 1, .max = 1024});
  options.add("knots", &knots, "where the function of a number may bend; 0: a straight line", {.min = 0, .max = 1024});
  options.add("word-dropout", &word_dropout, "share of the tokens that a step hides", {.min = 0, .max = 0.95});
  options.add("column-dropout", &column_dropout, "share of the cells that a step hides", {.min = 0, .max = 0.95});
}

void ModelOptions::refuse_unused() const {
  const ModelOptions usual;
  const std::string by_use = "--use " + use;
  train::refuse_unused(uses_columns(), "knots", knots, usual.knots, by_use);
  train::refuse_unused(uses_columns(), "column-dropout", column_dropout, usual.column_dropout, by_use);
  train::refuse_unused(uses_text(), "word-dropout", word_dropout, usual.word_dropout, by_use);
}

MultimodalModel::MultimodalModel(const ModelOptions& options, const train::TableShape& shape)
    : options_(options),
      words_(shape.tokens, options.dim, {.padding_index = data::Vocabulary::padding, .sparse = true}),
      reader_(options.dim, options.dim / 2, {.bidirectional = true}),
      columns_read_text_(options.dim, options.heads, {.dropout = options.dropout}),
      text_reads_columns_(options.dim, options.heads, {.dropout = options.dropout}),
      column_norm_(options.dim),
      text_norm_(options.dim),
      column_attention_(options.dim),
      text_attention_(options.dim),
      dropout_(options.dropout),
      output_(options.dim * (options.use == "both" ? 2 : 1), shape.classes) {
  if (options.uses_columns()) {
    columns_.emplace(shape, train::ColumnTokensOptions{
                                .dim = options.dim, .knots = options.knots, .dropout = options.column_dropout});
    if (columns_->numbers) add("numbers", *columns_->numbers);
    if (columns_->categories) add("categories", *columns_->categories);
    add("column_attention", column_attention_);
  }
  if (options.uses_text()) {
    const NoGrad outside_the_graph;
    words_.weight.mul_(0.1);  // so that steps of an ordinary learning rate move it
    add("words", words_);
    add("reader", reader_);
    add("text_attention", text_attention_);
  }
  if (options.use == "both") {
    add("columns_read_text", columns_read_text_);
    add("text_reads_columns", text_reads_columns_);
    add("column_norm", column_norm_);
    add("text_norm", text_norm_);
  }
  add("output", output_);
  add("dropout", dropout_);
}

/// [batch, time, dim]: the text as the GRU read it. In training, tokens at random become unknown.
Tensor MultimodalModel::text(const train::TableBatch& batch) const {
  Tensor tokens = batch.tokens;
  if (training() && options_.word_dropout > 0) {
    const Tensor hidden = rand(tokens.shape(), {.device = tokens.device()}) < options_.word_dropout;
    tokens = masked_fill(tokens, logical_and(hidden, batch.mask), data::Vocabulary::unknown);
  }
  return reader_.forward(dropout_.forward(words_.forward(tokens)), batch.lengths).output;
}

train::TableOutput MultimodalModel::forward(const train::TableBatch& batch) const {
  Tensor table, words;
  if (options_.uses_columns()) table = columns_->forward(batch, training());
  if (options_.uses_text()) words = text(batch);
  if (options_.use == "both") {
    const Tensor from_words = columns_read_text_.forward(table, words, words, {.key_padding_keep = batch.mask});
    const Tensor from_table = text_reads_columns_.forward(words, table, table);
    table = column_norm_.forward(table + from_words);
    words = text_norm_.forward(words + from_table);
  }

  train::TableOutput output;
  std::vector<Tensor> parts;
  if (options_.uses_columns()) {
    const Attended attended = column_attention_.forward_with_weights(table);
    parts.push_back(attended.read);
    output.weights = attended.weights;
  }
  if (options_.uses_text()) {
    const Attended attended = text_attention_.forward_with_weights(words, batch.mask);
    parts.push_back(attended.read);
    output.token_weights = attended.weights;
  }
  output.logits = output_.forward(dropout_.forward(concat(parts, -1)));
  return output;
}

onnx::Value MultimodalModel::emit(const train::TableInputs& inputs) const {
  std::vector<onnx::Value> parts;
  onnx::Value table, words;
  if (options_.uses_columns()) table = columns_->emit(inputs);
  if (options_.uses_text()) words = onnx::emit(reader_, onnx::emit(words_, inputs.tokens), inputs.lengths).output;
  if (options_.use == "both") {
    const onnx::Value from_words = onnx::emit(columns_read_text_, table, words, words, {.keep = inputs.mask});
    const onnx::Value from_table = onnx::emit(text_reads_columns_, words, table, table);
    table = onnx::emit(column_norm_, table + from_words);
    words = onnx::emit(text_norm_, words + from_table);
  }
  if (options_.uses_columns()) parts.push_back(onnx::emit(column_attention_, table).read);
  if (options_.uses_text()) parts.push_back(onnx::emit(text_attention_, words, inputs.mask).read);
  return onnx::emit(output_, concat(parts, -1));
}
