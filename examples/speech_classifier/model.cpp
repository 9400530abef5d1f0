#include "model.h"

#include <algorithm>

using namespace fovea;

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("encoder", &encoder, "what hears the recording", {.choices = {"conv", "gru"}});
  options.add("hidden", &hidden, "numbers that describe a moment", {.min = 2, .max = 65536});
  options.add("layers", &layers, "convolutions; of --encoder gru one, then so many recurrent layers",
              {.min = 1, .max = 64});
  options.add("kernel", &kernel, "frames that a convolution sees; odd", {.min = 1, .max = 99});
}

TimeBlock::TimeBlock(int64_t in, int64_t out, int64_t kernel, int64_t dilation)
    : conv_(in, out, kernel, {.padding = kernel / 2 * dilation, .dilation = dilation, .bias = false}), norm_(out) {
  add("conv", conv_);
  add("norm", norm_);
}

Tensor TimeBlock::forward(const Tensor& x, const Tensor& keep) const {
  const Tensor y = relu(norm_.forward(conv_.forward(x))) * keep;
  return x.shape() == y.shape() ? x + y : y;  // around a block that keeps the form (He et al. 2016)
}

onnx::Value TimeBlock::emit(const onnx::Value& x, const onnx::Value& keep) const {
  const onnx::Value y = relu(onnx::emit(norm_, onnx::emit(conv_, x))) * keep;
  return conv_.weight.size(0) == conv_.weight.size(1) ? x + y : y;
}

SpeechModel::SpeechModel(const ModelOptions& options, int64_t bins, int64_t classes)
    : attention_(options.hidden), dropout_(options.dropout), output_(options.hidden, classes) {
  const bool recurrent = options.encoder == "gru";
  for (int64_t i = 0; i < (recurrent ? 1 : options.layers); ++i) {
    // Each looks twice as far as the one before (van den Oord et al. 2016).
    blocks_.push_back(std::make_unique<TimeBlock>(i == 0 ? bins : options.hidden, options.hidden, options.kernel,
                                                  int64_t{1} << std::min<int64_t>(i, 6)));
    add("block" + std::to_string(i + 1), *blocks_.back());
  }
  if (recurrent) {
    gru_ = std::make_unique<nn::GRU>(
        options.hidden, options.hidden / 2,
        nn::GRUOptions{.layers = options.layers, .bidirectional = true, .dropout = options.dropout});
    add("gru", *gru_);
  }
  add("attention", attention_);
  add("dropout", dropout_);
  add("output", output_);
}

train::SpeechOutput SpeechModel::forward(const data::SpeechBatch& batch) const {
  const Tensor keep = batch.mask.unsqueeze(1).to(f32);
  Tensor x = batch.features.mT();
  for (const auto& block : blocks_) x = block->forward(x, keep);
  Tensor moments = x.mT();
  if (gru_) moments = gru_->forward(moments, batch.lengths).output;
  const Attended attended = attention_.forward_with_weights(moments, batch.mask);
  return {output_.forward(dropout_.forward(attended.read)), attended.weights};
}

onnx::Value SpeechModel::emit(const train::SpeechInputs& inputs) const {
  const onnx::Value keep = unsqueeze(cast(inputs.mask, onnx::Element::f32), {1});
  onnx::Value x = permute(inputs.features, {0, 2, 1});
  for (const auto& block : blocks_) x = block->emit(x, keep);
  onnx::Value moments = permute(x, {0, 2, 1});
  if (gru_) moments = onnx::emit(*gru_, moments, inputs.lengths).output;
  return onnx::emit(output_, onnx::emit(attention_, moments, inputs.mask).read);
}
