#pragma once

#include <fovea/fovea.h>

#include <memory>
#include <string>
#include <vector>

/// What the model is made of.
struct ModelOptions {
  std::string encoder = "conv";
  int64_t hidden = 64;  // numbers that describe a moment
  int64_t layers = 3;
  int64_t kernel = 5;  // frames that a convolution sees
  double dropout = 0.2;

  void declare(fovea::train::OptionTable& options);
};

/// Convolution along the time, batch norm, rectifier; what lies past a recording's end stays 0, so that a prediction
/// does not depend on what else is in the batch.
class TimeBlock final : public fovea::nn::Module {
 public:
  TimeBlock(int64_t in, int64_t out, int64_t kernel, int64_t dilation);
  /// x [batch, in, time], keep f32 [batch, 1, time] -> [batch, out, time].
  fovea::Tensor forward(const fovea::Tensor& x, const fovea::Tensor& keep) const;
  /// The same as nodes of an ONNX graph.
  fovea::onnx::Value emit(const fovea::onnx::Value& x, const fovea::onnx::Value& keep) const;

 private:
  fovea::nn::Conv1d conv_;
  fovea::nn::BatchNorm1d norm_;
};

/// Convolutions hear what goes on at each moment, with --encoder gru a recurrent layer reads on from there; attention
/// weighs the moments and sums them up; a linear layer names the class.
class SpeechModel final : public fovea::nn::Module {
 public:
  SpeechModel(const ModelOptions& options, int64_t bins, int64_t classes);

  fovea::train::SpeechOutput forward(const fovea::data::SpeechBatch& batch) const;
  fovea::onnx::Value emit(const fovea::train::SpeechInputs& inputs) const;

 private:
  std::vector<std::unique_ptr<TimeBlock>> blocks_;
  std::unique_ptr<fovea::nn::GRU> gru_;
  fovea::nn::AttentionPool attention_;
  fovea::nn::Dropout dropout_;
  fovea::nn::Linear output_;
};
