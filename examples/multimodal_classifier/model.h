#pragma once

#include <fovea/fovea.h>

#include <optional>
#include <string>

/// What the model is made of.
struct ModelOptions {
  std::string use = "both";
  int64_t dim = 64;  // numbers that stand for a column, and for a token
  int64_t heads = 4;
  int64_t knots = 8;
  double dropout = 0.1;
  double word_dropout = 0.1;
  double column_dropout = 0.05;

  void declare(fovea::train::OptionTable& options);
  /// Throws UsageError where the model would take no notice of an option.
  void refuse_unused() const;
  bool uses_text() const { return use != "columns"; }
  bool uses_columns() const { return use != "text"; }
};

/// Columns are tokens; a text is read in both directions by a GRU. Each then reads the other by cross-attention (Lu et
/// al. 2019), two attentions sum them up, and a linear layer names the class.
class MultimodalModel final : public fovea::nn::Module {
 public:
  MultimodalModel(const ModelOptions& options, const fovea::train::TableShape& shape);

  fovea::train::TableOutput forward(const fovea::train::TableBatch& batch) const;
  /// The same as nodes of an ONNX graph.
  fovea::onnx::Value emit(const fovea::train::TableInputs& inputs) const;

 private:
  fovea::Tensor text(const fovea::train::TableBatch& batch) const;

  ModelOptions options_;
  std::optional<fovea::train::ColumnTokens> columns_;
  fovea::nn::Embedding words_;
  fovea::nn::GRU reader_;
  fovea::nn::MultiheadAttention columns_read_text_, text_reads_columns_;
  fovea::nn::LayerNorm column_norm_, text_norm_;
  fovea::nn::AttentionPool column_attention_, text_attention_;
  fovea::nn::Dropout dropout_;
  fovea::nn::Linear output_;
};
