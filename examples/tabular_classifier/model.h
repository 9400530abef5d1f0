#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <string>

/// What the model is made of.
struct ModelOptions {
  int64_t dim = 32;  // numbers that stand for a column
  int64_t heads = 4;
  int64_t layers = 2;
  int64_t feedforward = 64;
  int64_t knots = 8;
  double dropout = 0.1;
  double column_dropout = 0.05;
  double noise = 0;

  void declare(fovea::train::OptionTable& options);
};

/// Every column is a token: numbers by a piecewise linear function of their own, categories by a table. A Transformer lets
/// the columns attend to one another, an attention sums them up, a linear layer names the class (after Gorishniy et al.
/// 2021).
class TableModel final : public fovea::nn::Module {
 public:
  TableModel(const ModelOptions& options, const fovea::train::TableShape& shape);

  fovea::train::TableOutput forward(const fovea::train::TableBatch& batch) const;

 private:
  fovea::Tensor columns(const fovea::train::TableBatch& batch) const;

  ModelOptions options_;
  int64_t numeric_;
  fovea::Tensor first_ids_;  // of the categorical columns
  std::unique_ptr<fovea::nn::NumberEmbedding> numbers_;
  std::unique_ptr<fovea::nn::Embedding> categories_;
  std::unique_ptr<fovea::nn::TransformerEncoder> encoder_;
  fovea::nn::LayerNorm norm_;
  fovea::nn::AttentionPool attention_;
  fovea::nn::Dropout dropout_;
  fovea::nn::Linear output_;
};
