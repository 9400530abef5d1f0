#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <optional>

/// What the model is made of.
struct ModelOptions {
  int64_t dim = 16;  // numbers that stand for a column
  int64_t heads = 4;
  int64_t layers = 1;
  int64_t feedforward = 32;
  int64_t hidden = 128;
  int64_t knots = 8;
  double dropout = 0.3;
  double column_dropout = 0.1;
  double noise = 0;

  void declare(fovea::train::OptionTable& options);
};

/// Every column is a token: numbers by a piecewise linear function of their own, categories by a table. A Transformer lets
/// the columns attend to one another (after Gorishniy et al. 2021); an attention says how much each counts, and what it
/// lets through of all of them side by side goes through two linear layers. So a column without attention has no say.
class TableModel final : public fovea::nn::Module {
 public:
  TableModel(const ModelOptions& options, const fovea::train::TableShape& shape);

  fovea::train::TableOutput forward(const fovea::train::TableBatch& batch) const;
  /// The same as nodes of an ONNX graph.
  fovea::onnx::Value emit(const fovea::train::TableInputs& inputs) const;

 private:
  ModelOptions options_;
  std::optional<fovea::train::ColumnTokens> columns_;
  std::unique_ptr<fovea::nn::TransformerEncoder> encoder_;
  fovea::nn::AttentionPool attention_;
  fovea::nn::Linear hidden_;
  fovea::nn::Dropout dropout_;
  fovea::nn::Linear output_;
};
