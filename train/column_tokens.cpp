#include "fovea/train/column_tokens.h"

#include <cmath>

#include "fovea/autograd/elementwise.h"
#include "fovea/autograd/pointwise.h"
#include "fovea/autograd/shape_ops.h"
#include "fovea/nn/init.h"
#include "fovea/onnx/layers.h"

namespace fovea::train {

ColumnTokens::ColumnTokens(const TableShape& shape, const ColumnTokensOptions& options) : options_(options) {
  if (shape.numeric > 0) {
    numbers = std::make_unique<nn::NumberEmbedding>(shape.numeric, options.dim,
                                                    nn::NumberEmbeddingOptions{.knots = options.knots});
  }
  if (!shape.first_ids.empty()) {
    categories = std::make_unique<nn::Embedding>(shape.ids, options.dim);
    const double bound = 1 / std::sqrt(static_cast<double>(options.dim));
    nn::init::uniform_(categories->weight, -bound, bound);
    first_ids_ = from_vector(shape.first_ids);
  }
}

Tensor ColumnTokens::forward(const TableBatch& batch, bool training) const {
  const bool hide = training && options_.dropout > 0;
  const auto hidden = [&](const Tensor& cells) {
    return rand(cells.shape(), {.device = cells.device()}) < options_.dropout;
  };
  std::vector<Tensor> tokens;
  if (numbers) {
    Tensor x = batch.numbers;
    if (training && options_.noise > 0) x = x + randn(x.shape(), {.device = x.device()}) * options_.noise;
    tokens.push_back(numbers->forward(x, hide ? logical_or(batch.missing, hidden(x)) : batch.missing));
  }
  if (categories) {
    Tensor ids = batch.categories;
    if (hide) ids = where(hidden(ids), first_ids_.to(ids.device()), ids);
    tokens.push_back(categories->forward(ids));
  }
  return concat(tokens, 1);
}

onnx::Value ColumnTokens::emit(const TableInputs& inputs) const {
  std::vector<onnx::Value> tokens;
  if (numbers) tokens.push_back(onnx::emit(*numbers, inputs.numbers, inputs.missing));
  if (categories) tokens.push_back(onnx::emit(*categories, inputs.categories));
  return concat(tokens, 1);
}

}  // namespace fovea::train
