#pragma once

#include <fovea/fovea.h>

#include <memory>

#include "encoder.h"
#include "model_options.h"

/// Tokens are embedded and read: as a bag (their mean), by an encoder whose states an attention sums up, or in two
/// stages, words and then sentences; a linear layer names the class.
class TextModel final : public fovea::nn::Module {
 public:
  TextModel(const ModelOptions& options, int64_t ids, int64_t classes);

  fovea::train::TextOutput forward(const fovea::train::TextBatch& batch) const;
  /// The same as nodes of an ONNX graph.
  fovea::onnx::Value emit(const fovea::train::TextInputs& inputs) const;

 private:
  fovea::Tensor drop_words(const fovea::Tensor& tokens) const;
  fovea::Attended attend(const fovea::Tensor& states, const fovea::Tensor& keep) const;

  ModelOptions options_;
  std::unique_ptr<fovea::nn::EmbeddingBag> bag_;
  std::unique_ptr<fovea::nn::Embedding> embedding_;
  std::unique_ptr<fovea::nn::HierarchicalAttention> document_;
  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<fovea::nn::AttentionPool> attention_;  // neither: the encoder sums up the text itself
  std::unique_ptr<fovea::nn::MultiheadPool> heads_;
  fovea::nn::Dropout dropout_;
  std::unique_ptr<fovea::nn::Linear> output_;
};
