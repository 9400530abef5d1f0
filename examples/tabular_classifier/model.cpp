#include "model.h"

using namespace fovea;

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("dim", &dim, "numbers that stand for a column", {.min = 1, .max = 65536});
  options.add("heads", &heads, "heads of the attention between columns; they divide dim", {.min = 1, .max = 1024});
  options.add("layers", &layers, "layers in which columns attend to one another", {.min = 0, .max = 64});
  options.add("feedforward", &feedforward, "width of the layers' feed-forward networks", {.min = 1, .max = 65536});
  options.add("hidden", &hidden, "width of the network that reads the columns side by side", {.min = 1, .max = 65536});
  options.add("knots", &knots, "where the function of a number may bend; 0: a straight line", {.min = 0, .max = 1024});
  options.add("column-dropout", &column_dropout, "share of the cells that a step hides", {.min = 0, .max = 0.95});
  options.add("noise", &noise, "deviation of the noise that a step adds to scaled numbers", {.min = 0, .max = 100});
}

TableModel::TableModel(const ModelOptions& options, const train::TableShape& shape)
    : options_(options),
      attention_(options.dim),
      hidden_(options.dim * shape.columns(), options.hidden),
      dropout_(options.dropout),
      output_(options.hidden, shape.classes) {
  columns_.emplace(
      shape,
      train::ColumnTokensOptions{
          .dim = options.dim, .knots = options.knots, .dropout = options.column_dropout, .noise = options.noise});
  if (columns_->numbers) add("numbers", *columns_->numbers);
  if (columns_->categories) add("categories", *columns_->categories);
  encoder_ = std::make_unique<nn::TransformerEncoder>(options.dim, options.heads, options.layers,
                                                      nn::TransformerOptions{.feedforward = options.feedforward,
                                                                             .activation = nn::FeedForward::gelu,
                                                                             .dropout = options.dropout,
                                                                             .pre_norm = true});
  add("encoder", *encoder_);
  add("attention", attention_);
  add("hidden", hidden_);
  add("output", output_);
  add("dropout", dropout_);
}

train::TableOutput TableModel::forward(const train::TableBatch& batch) const {
  const Tensor read = encoder_->forward(columns_->forward(batch, training()));
  const Tensor weights = attention_.forward_with_weights(read).weights;
  const int64_t columns = read.size(1);
  // By equal weights every column comes through as it is.
  const Tensor through =
      (read * (weights * static_cast<double>(columns)).unsqueeze(-1)).reshape({read.size(0), columns * options_.dim});
  return {output_.forward(dropout_.forward(relu(hidden_.forward(through)))), weights, {}};
}

onnx::Value TableModel::emit(const train::TableInputs& inputs) const {
  const onnx::Value read = onnx::emit(*encoder_, columns_->emit(inputs));
  const onnx::Value weights = onnx::emit(attention_, read).weights;
  const int64_t width = hidden_.weight.size(1);
  const double columns = static_cast<double>(width / options_.dim);
  const onnx::Value through = reshape(read * unsqueeze(weights * columns, {-1}), {0, width});
  return onnx::emit(output_, relu(onnx::emit(hidden_, through)));
}
