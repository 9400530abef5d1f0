#pragma once

#include <fovea/fovea.h>

#include <string>
#include <vector>

/// What the model is made of.
struct ModelOptions {
  std::string encoder = "gru";
  std::string attention = "additive";
  std::string weights = "softmax";
  bool gate = false;
  int64_t embedding = 128;
  int64_t hidden = 128;
  int64_t layers = 1;
  int64_t heads = 4;
  std::string positions = "learned";
  std::vector<std::string> kernels = {"3", "4", "5"};
  double word_dropout = 0.1;
  double dropout = 0.3;      // the training's
  int64_t max_length = 256;  // the tokens'

  void declare(fovea::train::OptionTable& options);
  /// Sets what the encoder has otherwise where the user did not say, and takes the dropout over. Throws UsageError where
  /// options do not go together.
  void settle(const fovea::train::OptionTable& options, fovea::train::TrainingOptions& training,
              const fovea::train::TextOptions& text);

  bool is_bag() const { return encoder == "bag"; }
  bool is_hierarchical() const { return encoder == "hierarchical"; }
  fovea::train::TextLayout layout() const;
  fovea::nn::Score score() const;
  fovea::nn::Weights weights_kind() const;
  std::vector<int64_t> kernel_widths() const;

 private:
  void refuse_unused(const fovea::train::TextOptions& text) const;
  void check_sizes(const fovea::train::TextOptions& text) const;
};
