#include "model.h"

#include <algorithm>

#include "fovea/nn/conv_attention.h"

using namespace fovea;

namespace {

/// Convolution, batch norm, rectifier; then attention tells which channels and which places matter.
class ConvBlock final : public nn::Module {
 public:
  ConvBlock(int64_t in, int64_t out, bool attends) : conv_(in, out, 3, {.padding = 1, .bias = false}), norm_(out) {
    add("conv", conv_);
    add("norm", norm_);
    if (attends) {
      attention_ = std::make_unique<nn::CBAM>(out, nn::CBAMOptions{.reduction = std::clamp<int64_t>(out / 4, 1, 8)});
      add("attention", *attention_);
    }
  }
  Tensor forward(const Tensor& x) const {
    const Tensor y = relu(norm_.forward(conv_.forward(x)));
    return attention_ ? attention_->forward(y) : y;
  }
  onnx::Value emit(const onnx::Value& x) const {
    const onnx::Value y = relu(onnx::emit(norm_, onnx::emit(conv_, x)));
    return attention_ ? onnx::emit(*attention_, y) : y;
  }

 private:
  nn::Conv2d conv_;
  nn::BatchNorm2d norm_;
  std::unique_ptr<nn::CBAM> attention_;
};

/// Stages of convolutions, each with twice the channels on half the size.
class ConvEncoder final : public Encoder {
 public:
  ConvEncoder(const ModelOptions& options, int64_t channels) {
    int64_t in = channels;
    for (int64_t i = options.stages - 1; i >= 0; --i) {
      const int64_t out = std::max<int64_t>(options.hidden >> i, 1);
      // The first stage's places are many and know little yet: attention there costs most and gains least.
      blocks_.push_back(std::make_unique<ConvBlock>(in, out, options.attention == "cbam" && !blocks_.empty()));
      add("block" + std::to_string(blocks_.size()), *blocks_.back());
      in = out;
    }
  }
  Tensor forward(const Tensor& images) const override {
    Tensor x = images;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (i > 0) x = max_pool2d(x, 2);
      x = blocks_[i]->forward(x);
    }
    return x;
  }
  onnx::Value emit(const onnx::Value& images) const override {
    onnx::Value x = images;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (i > 0) x = max_pool2d(x, 2);
      x = blocks_[i]->emit(x);
    }
    return x;
  }

 private:
  std::vector<std::unique_ptr<ConvBlock>> blocks_;
};

/// Patches side by side as a Transformer's words (Dosovitskiy et al. 2021).
class PatchEncoder final : public Encoder {
 public:
  PatchEncoder(const ModelOptions& options, const data::ImageForm& form)
      : rows_(form.height / options.patch),
        columns_(form.width / options.patch),
        embedding_(form.channels, options.hidden, options.patch, {.stride = options.patch}),
        positions_(rows_ * columns_, options.hidden),
        transformer_(options.hidden, options.heads, options.layers,
                     {.feedforward = 2 * options.hidden,
                      .activation = nn::FeedForward::gelu,
                      .dropout = options.dropout / 2,
                      .pre_norm = true}) {
    add("embedding", embedding_);
    add("positions", positions_);
    add("transformer", transformer_);
  }
  Tensor forward(const Tensor& images) const override {
    const Tensor patches = embedding_.forward(images).flatten(2).mT();
    const Tensor read = transformer_.forward(positions_.forward(patches));
    return read.mT().reshape({images.size(0), -1, rows_, columns_});
  }
  onnx::Value emit(const onnx::Value& images) const override {
    const onnx::Value patches = permute(reshape(onnx::emit(embedding_, images), {0, 0, -1}), {0, 2, 1});
    const onnx::Value read = onnx::emit(transformer_, onnx::emit(positions_, patches));
    return reshape(permute(read, {0, 2, 1}), {0, -1, rows_, columns_});
  }

 private:
  int64_t rows_, columns_;
  nn::Conv2d embedding_;
  nn::LearnedPositions positions_;
  nn::TransformerEncoder transformer_;
};

std::unique_ptr<Encoder> make_encoder(const ModelOptions& options, const data::ImageForm& form) {
  const int64_t least = options.encoder == "conv" ? int64_t{1} << (options.stages - 1) : options.patch;
  if (form.height < least || form.width < least) {
    train::refuse("pictures of {} x {} are too small for {} {}", form.height, form.width,
                  options.encoder == "conv" ? "--stages" : "--patch",
                  options.encoder == "conv" ? options.stages : options.patch);
  }
  if (options.encoder == "conv") return std::make_unique<ConvEncoder>(options, form.channels);
  if (options.hidden % options.heads != 0) train::refuse("--hidden is not a multiple of --heads {}", options.heads);
  return std::make_unique<PatchEncoder>(options, form);
}

}  // namespace

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("encoder", &encoder, "what looks at the picture", {.choices = {"conv", "transformer"}});
  options.add("attention", &attention, "what weighs channels and places within the convolutions",
              {.choices = {"cbam", "none"}});
  options.add("hidden", &hidden, "numbers that describe a place of the picture", {.min = 1, .max = 65536});
  options.add("stages", &stages, "convolutions, each on half the size of the one before", {.min = 1, .max = 12});
  options.add("patch", &patch, "side of the transformer's patches in pixels", {.min = 1, .max = 4096});
  options.add("layers", &layers, "layers of the transformer", {.min = 1, .max = 64});
  options.add("heads", &heads, "heads of the transformer's attention", {.min = 1, .max = 1024});
}

void ModelOptions::refuse_unused() const {
  const ModelOptions usual;
  const bool conv = encoder == "conv", transformer = encoder == "transformer";
  const std::string by_encoder = "--encoder " + encoder;
  train::refuse_unused(conv, "attention", attention, usual.attention, by_encoder);
  train::refuse_unused(conv, "stages", stages, usual.stages, by_encoder);
  train::refuse_unused(transformer, "patch", patch, usual.patch, by_encoder);
  train::refuse_unused(transformer, "layers", layers, usual.layers, by_encoder);
  train::refuse_unused(transformer, "heads", heads, usual.heads, by_encoder);
}

ImageModel::ImageModel(const ModelOptions& options, const data::ImageForm& form, int64_t classes)
    : encoder_(make_encoder(options, form)),
      attention_(options.hidden),
      dropout_(options.dropout),
      output_(options.hidden, classes) {
  add("encoder", *encoder_);
  add("attention", attention_);
  add("dropout", dropout_);
  add("output", output_);
}

train::ImageOutput ImageModel::forward(const Tensor& images) const {
  const Tensor places = encoder_->forward(images);
  const Attended attended = attention_.forward_with_weights(places.flatten(2).mT());
  return {output_.forward(dropout_.forward(attended.read)),
          attended.weights.reshape({images.size(0), places.size(2), places.size(3)})};
}

onnx::Value ImageModel::emit(const onnx::Value& images) const {
  const onnx::Value places = permute(reshape(encoder_->emit(images), {0, 0, -1}), {0, 2, 1});
  return onnx::emit(output_, onnx::emit(attention_, places).read);
}
