#include "workloads.h"

namespace fovea::bench {
namespace {

enum class Encoder { rnn, gru, lstm };

/// Embedding, recurrent layer, scores tanh(Linear) . query, weighted sum, classes.
struct AttentionClassifier : nn::Module {
  nn::Embedding embedding;
  std::unique_ptr<nn::RecurrentLayer> encoder;
  nn::AttentionPool attention;
  nn::Linear output;

  struct Sizes {
    int64_t vocabulary, embedding, hidden, attention, classes;
    bool bidirectional;
  };

  AttentionClassifier(Encoder kind, const Sizes& s)
      : embedding(s.vocabulary, s.embedding),
        encoder(make_encoder(kind, s)),
        attention(s.hidden * encoder->directions(), {.hidden = s.attention}),
        output(s.hidden * encoder->directions(), s.classes) {
    add("embedding", embedding);
    add("encoder", *encoder);
    add("attention", attention);
    add("output", output);
  }

  Tensor forward(const Tensor& tokens) const {
    return output.forward(attention.forward(encoder->forward(embedding.forward(tokens)).output));
  }

 private:
  static std::unique_ptr<nn::RecurrentLayer> make_encoder(Encoder kind, const Sizes& s) {
    switch (kind) {
      case Encoder::rnn:
        return std::make_unique<nn::RNN>(s.embedding, s.hidden, nn::RNNOptions{.bidirectional = s.bidirectional});
      case Encoder::gru:
        return std::make_unique<nn::GRU>(s.embedding, s.hidden, nn::GRUOptions{.bidirectional = s.bidirectional});
      case Encoder::lstm:
        return std::make_unique<nn::LSTM>(s.embedding, s.hidden, nn::LSTMOptions{.bidirectional = s.bidirectional});
    }
    return nullptr;
  }
};

constexpr AttentionClassifier::Sizes tiny{10, 3, 8, 8, 10, false}, text{20000, 128, 128, 256, 4, true};

/// Embedding and learned positions, pre-norm encoder layers, mean over time, classes.
struct TransformerClassifier : nn::Module {
  struct Sizes {
    int64_t vocabulary, time, dim, layers, heads, feedforward, classes;
  };

  nn::Embedding embedding;
  nn::LearnedPositions positions;
  nn::TransformerEncoder encoder;
  nn::Linear output;

  explicit TransformerClassifier(const Sizes& s)
      : embedding(s.vocabulary, s.dim),
        positions(s.time, s.dim),
        encoder(s.dim, s.heads, s.layers,
                {.feedforward = s.feedforward, .activation = nn::FeedForward::gelu, .dropout = 0, .pre_norm = true}),
        output(s.dim, s.classes) {
    add("embedding", embedding);
    add("positions", positions);
    add("encoder", encoder);
    add("output", output);
  }
  Tensor forward(const Tensor& tokens) const {
    return output.forward(mean(encoder.forward(positions.forward(embedding.forward(tokens))), 1));
  }
};

constexpr TransformerClassifier::Sizes small{20000, 64, 128, 2, 4, 512, 4}, base{20000, 256, 256, 4, 8, 1024, 4};

/// The mean of each text's word vectors, classified; the table's gradient comes by rows.
struct BagClassifier : nn::Module {
  nn::EmbeddingBag bag{100000, 64, {.mode = nn::BagMode::mean, .sparse = true}};
  nn::Linear output{64, 4};

  BagClassifier() {
    add("bag", bag);
    add("output", output);
  }
  Tensor forward(const Tensor& tokens) const { return output.forward(bag.forward(tokens)); }
};

struct Perceptron : nn::Sequential {
  Perceptron()
      : Sequential{nn::make<nn::Linear>(784, 512), relu, nn::make<nn::Linear>(512, 512), relu,
                   nn::make<nn::Linear>(512, 10)} {}
};

struct ConvolutionalClassifier : nn::Sequential {
  ConvolutionalClassifier()
      : Sequential{nn::make<nn::Conv2d>(1, 32, 3, nn::Conv2dLayerOptions{.padding = 1}),
                   relu,
                   nn::make<nn::MaxPool2d>(2),
                   nn::make<nn::Conv2d>(32, 64, 3, nn::Conv2dLayerOptions{.padding = 1}),
                   relu,
                   nn::make<nn::MaxPool2d>(2),
                   nn::make<nn::Flatten>(),
                   nn::make<nn::Linear>(3136, 128),
                   nn::make<nn::Linear>(128, 10)} {}
};

/// By cross entropy.
template <class Model>
std::function<Tensor()> loss_of(std::shared_ptr<Model> model, const Tensor& x, int64_t classes) {
  return [=, y = randint(0, classes, {x.size(0)}).to(x.device())] { return cross_entropy(model->forward(x), y); };
}

template <class Model>
Prepared classification(std::shared_ptr<Model> model, const Tensor& x, int64_t classes) {
  return adam_training(model, x.device(), loss_of(model, x, classes));
}

Workload train_classifier(std::string name, Encoder kind, const AttentionClassifier::Sizes& sizes, int64_t time,
                          int64_t batch) {
  return {std::move(name), [=](Device device) {
            return classification(std::make_shared<AttentionClassifier>(kind, sizes),
                                  randint(0, sizes.vocabulary, {batch, time}).to(device), sizes.classes);
          }};
}

Workload train_transformer(std::string name, const TransformerClassifier::Sizes& sizes, int64_t batch) {
  return {std::move(name), [=](Device device) {
            return classification(std::make_shared<TransformerClassifier>(sizes),
                                  randint(0, sizes.vocabulary, {batch, sizes.time}).to(device), sizes.classes);
          }};
}

/// One text.
template <class Model>
Prepared text_inference(std::shared_ptr<Model> model, int64_t vocabulary, int64_t time, Device device) {
  const Tensor x = randint(0, vocabulary, {1, time}).to(device);
  return inference(model, device, [=] { return model->forward(x); });
}

Prepared train_bag(Device device, int64_t batch) {
  auto model = std::make_shared<BagClassifier>();
  model->to(device);
  auto optimizer = std::make_shared<nn::SGD>(model->parameters(), nn::SGDOptions{.lr = 0.1});
  return training(model, optimizer, loss_of(model, randint(0, 100000, {batch, 64}).to(device), 4));
}

}  // namespace

Prepared training(const std::shared_ptr<nn::Module>& model, std::shared_ptr<nn::Optimizer> optimizer,
                  std::function<Tensor()> loss) {
  const auto step = [=] {
    optimizer->zero_grad();
    const Tensor value = loss();
    value.backward();
    optimizer->step();
    return value;
  };
  return {step, model->parameters()};
}

Prepared adam_training(const std::shared_ptr<nn::Module>& model, Device device, std::function<Tensor()> loss) {
  model->to(device);
  const nn::AdamOptions options{.lr = 1e-3};
  return training(model, std::make_shared<nn::Adam>(model->parameters(), options), std::move(loss));
}

Prepared inference(const std::shared_ptr<nn::Module>& model, Device device, std::function<Tensor()> forward) {
  model->to(device);
  model->eval();
  return {[=] {
    const NoGrad off;
    return forward();
  }};
}

std::vector<Workload> model_workloads(int64_t part) {
  return {
      train_classifier("train_rnn_tiny", Encoder::rnn, tiny, 10, 32 / part),
      train_classifier("train_gru", Encoder::gru, text, 64, 32 / part),
      train_classifier("train_lstm", Encoder::lstm, text, 64, 32 / part),
      train_transformer("train_transformer_small", small, 32 / part),
      train_transformer("train_transformer_base", base, 16 / part),
      {"train_bag", [=](Device device) { return train_bag(device, 256 / part); }},
      {"train_mlp",
       [=](Device device) {
         return classification(std::make_shared<Perceptron>(), randn({128 / part, 784}).to(device), 10);
       }},
      {"train_cnn",
       [=](Device device) {
         return classification(std::make_shared<ConvolutionalClassifier>(), randn({64 / part, 1, 28, 28}).to(device),
                               10);
       }},
      {"infer_gru_batch1",
       [](Device device) {
         return text_inference(std::make_shared<AttentionClassifier>(Encoder::gru, text), text.vocabulary, 64, device);
       }},
      {"infer_transformer_batch1",
       [](Device device) {
         return text_inference(std::make_shared<TransformerClassifier>(small), small.vocabulary, small.time, device);
       }},
  };
}

}  // namespace fovea::bench
