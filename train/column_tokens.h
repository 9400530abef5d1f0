#pragma once

#include <memory>

#include "fovea/nn/embedding.h"
#include "fovea/nn/number_embedding.h"
#include "fovea/train/table_task.h"

namespace fovea::train {

struct ColumnTokensOptions {
  int64_t dim = 16;    // numbers that stand for a column
  int64_t knots = 8;   // as NumberEmbeddingOptions say
  double dropout = 0;  // share of the cells that a step hides
  double noise = 0;    // deviation of what a step adds to scaled numbers
};

/// The columns of a table as tokens [batch, columns, dim], numeric ones first: numbers by a piecewise linear function of
/// their own, categories by a table. In training, cells at random are hidden as if they were missing: so that a model learns
/// to do without any one of them. Whose it is registers the parts by names of its own.
class ColumnTokens {
 public:
  ColumnTokens(const TableShape& shape, const ColumnTokensOptions& options);

  Tensor forward(const TableBatch& batch, bool training) const;
  /// The same as nodes of an ONNX graph.
  onnx::Value emit(const TableInputs& inputs) const;

  std::unique_ptr<nn::NumberEmbedding> numbers;  // null where there are no such columns
  std::unique_ptr<nn::Embedding> categories;     // the same

 private:
  ColumnTokensOptions options_;
  Tensor first_ids_;  // of the categorical columns
};

}  // namespace fovea::train
