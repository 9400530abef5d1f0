#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <string>

/// What the model is made of.
struct ModelOptions {
  std::string encoder = "conv";
  std::string attention = "cbam";  // conv: within its stages
  int64_t hidden = 64;             // numbers that describe a place at the end
  int64_t stages = 3;              // conv: each but the first on half the size
  int64_t patch = 4;               // transformer: side of a patch
  int64_t layers = 3;              // transformer
  int64_t heads = 4;               // transformer
  double dropout = 0.2;

  void declare(fovea::train::OptionTable& options);
  /// Throws UsageError where the encoder would take no notice of an option.
  void refuse_unused() const;
};

/// Turns pictures [batch, channels, height, width] into what is seen at each place: [batch, hidden, rows, columns].
class Encoder : public fovea::nn::Module {
 public:
  virtual fovea::Tensor forward(const fovea::Tensor& images) const = 0;
  /// The same as nodes of an ONNX graph.
  virtual fovea::onnx::Value emit(const fovea::onnx::Value& images) const = 0;
};

/// An encoder looks at every place; attention weighs the places and sums them up; a linear layer names the class.
class ImageModel final : public fovea::nn::Module {
 public:
  ImageModel(const ModelOptions& options, const fovea::data::ImageForm& form, int64_t classes);

  fovea::train::ImageOutput forward(const fovea::Tensor& images) const;
  fovea::onnx::Value emit(const fovea::onnx::Value& images) const;

 private:
  std::unique_ptr<Encoder> encoder_;
  fovea::nn::AttentionPool attention_;
  fovea::nn::Dropout dropout_;
  fovea::nn::Linear output_;
};
