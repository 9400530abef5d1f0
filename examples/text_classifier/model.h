#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <string>

/// What the model is made of.
struct ModelOptions {
  std::string encoder = "gru";
  std::string attention = "additive";
  std::string weights = "softmax";
  bool gate = false;
  int64_t embedding = 128;
  int64_t hidden = 128;  // of each direction
  int64_t layers = 1;
  double dropout = 0.3;
  double word_dropout = 0.1;

  void declare(fovea::train::OptionTable& options);
  bool is_bag() const { return encoder == "bag"; }
};

/// Tokens are embedded and read: as a bag (their mean), or in both directions by a recurrent layer whose states an
/// attention sums up; a linear layer names the class.
class TextModel final : public fovea::nn::Module {
 public:
  TextModel(const ModelOptions& options, int64_t ids, int64_t classes);

  fovea::train::TextOutput forward(const fovea::train::TextBatch& batch) const;

 private:
  fovea::Tensor drop_words(const fovea::Tensor& tokens) const;

  ModelOptions options_;
  std::unique_ptr<fovea::nn::EmbeddingBag> bag_;
  std::unique_ptr<fovea::nn::Embedding> embedding_;
  std::unique_ptr<fovea::nn::RecurrentLayer> encoder_;
  std::unique_ptr<fovea::nn::AttentionPool> attention_;  // none: the last states speak for the text
  fovea::nn::Dropout dropout_;
  std::unique_ptr<fovea::nn::Linear> output_;
};
