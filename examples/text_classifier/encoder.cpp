#include "encoder.h"

using namespace fovea;

namespace {

/// keep [batch, time] beside states [batch, time, width].
Tensor beside(const Tensor& keep) { return keep.unsqueeze(-1); }

class Recurrent final : public Encoder {
 public:
  explicit Recurrent(const ModelOptions& options) {
    const nn::RecurrentLayerOptions layer{.layers = options.layers, .bidirectional = true, .dropout = options.dropout};
    if (options.encoder == "lstm") {
      layers_ = std::make_unique<nn::LSTM>(options.embedding, options.hidden, layer);
    } else if (options.encoder == "gru") {
      layers_ = std::make_unique<nn::GRU>(options.embedding, options.hidden, layer);
    } else {
      const nn::RNNOptions plain{.layers = options.layers, .bidirectional = true, .dropout = options.dropout};
      layers_ = std::make_unique<nn::RNN>(options.embedding, options.hidden, plain);
    }
    add("layers", *layers_);
  }

  Encoded read(const Tensor& embedded, const train::TextBatch& batch, bool summary) const override {
    const nn::RecurrentOutput made = layers_->forward(embedded, batch.lengths);
    if (!summary) return {made.output, {}};
    const int64_t last = made.h.size(0);
    return {made.output, concat({made.h.select(0, last - 2), made.h.select(0, last - 1)}, -1)};
  }
  EncodedValues emit(const onnx::Value& embedded, const train::TextInputs& inputs, bool summary) const override {
    const onnx::Recurrent made = onnx::emit(*layers_, embedded, inputs.lengths);
    if (!summary) return {made.output, {}};
    return {made.output, reshape(permute(made.h, {1, 0, 2}), {0, width()})};
  }
  int64_t width() const override { return 2 * layers_->hidden(); }

 private:
  std::unique_ptr<nn::RecurrentLayer> layers_;
};

class Convolution final : public Encoder {
 public:
  explicit Convolution(const ModelOptions& options) : features_(options.hidden) {
    for (const int64_t width : options.kernel_widths()) {
      windows_.emplace(options.embedding, options.hidden, width, nn::Conv1dLayerOptions{.padding = width / 2});
    }
    add("windows", windows_);
  }

  Encoded read(const Tensor& embedded, const train::TextBatch& batch, bool summary) const override {
    const Tensor x = embedded.transpose(1, 2);
    std::vector<Tensor> parts;
    // An even window is one place longer than the text.
    for (const nn::Conv1d& window : windows_) parts.push_back(window.forward(x).slice(2, 0, x.size(2)));
    const Tensor states = relu(concat(parts, 1).transpose(1, 2));
    if (!summary) return {states, {}};
    return {states, amax(where(beside(batch.mask), states, 0.0), {1})};  // no feature is negative
  }
  EncodedValues emit(const onnx::Value& embedded, const train::TextInputs& inputs, bool summary) const override {
    const onnx::Value x = permute(embedded, {0, 2, 1});
    std::vector<onnx::Value> parts;
    for (const nn::Conv1d& window : windows_) parts.push_back(first(onnx::emit(window, x), 2, size(x, 2)));
    const onnx::Value states = relu(permute(concat(parts, 1), {0, 2, 1}));
    if (!summary) return {states, {}};
    return {states, amax(where(unsqueeze(inputs.mask, {-1}), states, 0), {1})};
  }
  int64_t width() const override { return features_ * static_cast<int64_t>(windows_.size()); }

 private:
  int64_t features_;
  nn::ModuleList<nn::Conv1d> windows_;
};

class Transformer final : public Encoder {
 public:
  explicit Transformer(const ModelOptions& options)
      : width_(options.embedding),
        sinusoidal_(options.positions == "sinusoidal"),
        layers_(options.embedding, options.heads, options.layers,
                {.feedforward = options.hidden,
                 .activation = nn::FeedForward::gelu,
                 .dropout = options.dropout,
                 .pre_norm = true,
                 .rotary = options.positions == "rotary"}) {
    if (options.positions == "learned") {
      positions_ = std::make_unique<nn::LearnedPositions>(options.max_length, options.embedding);
      add("positions", *positions_);
    }
    add("layers", layers_);
  }

  Encoded read(const Tensor& embedded, const train::TextBatch& batch, bool summary) const override {
    Tensor x = embedded;
    if (positions_) x = positions_->forward(x);
    // As small as the embeddings are at first.
    if (sinusoidal_) x = x + nn::sinusoidal_positions(x.size(1), width_, 0, 10000, x.options()) * 0.1;
    const Tensor states = layers_.forward(x, {.key_padding_keep = batch.mask});
    if (!summary) return {states, {}};
    const Tensor count = beside(batch.lengths).to(states.dtype());
    return {states, sum(where(beside(batch.mask), states, 0.0), {1}) / count};
  }
  EncodedValues emit(const onnx::Value& embedded, const train::TextInputs& inputs, bool summary) const override {
    onnx::Value x = embedded;
    if (positions_) x = onnx::emit(*positions_, x);
    if (sinusoidal_) x = x + onnx::sinusoidal_positions(size(x, 1), width_) * 0.1;
    const onnx::Value states = onnx::emit(layers_, x, {.keep = inputs.mask});
    if (!summary) return {states, {}};
    const onnx::Value count = unsqueeze(cast(inputs.lengths, onnx::Element::f32), {-1});
    return {states, sum(where(unsqueeze(inputs.mask, {-1}), states, 0), {1}) / count};
  }
  int64_t width() const override { return width_; }

 private:
  int64_t width_;
  bool sinusoidal_;
  std::unique_ptr<nn::LearnedPositions> positions_;
  nn::TransformerEncoder layers_;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(const ModelOptions& options) {
  if (options.encoder == "conv") return std::make_unique<Convolution>(options);
  if (options.encoder == "transformer") return std::make_unique<Transformer>(options);
  return std::make_unique<Recurrent>(options);
}
