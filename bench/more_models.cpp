// Small models of many kinds, each in one usual setting; `bench --more` names them, pytorch_models.py has their twins.
#include "blocks.h"
#include "inputs.h"
#include "workloads.h"

namespace fovea::bench {
namespace {

using nn::make;

Tensor halved(const Tensor& x) { return x * 0.5; }
Tensor swapped(const Tensor& x) { return x.transpose(1, 2); }  // [batch, time, dim] to [batch, dim, time] or back
Tensor by_column(const Tensor& x) { return x.permute({0, 3, 1, 2}).flatten(2); }  // of an image: [batch, width, all]
Tensor mean_of_image(const Tensor& x) { return mean(x, {2, 3}); }

/// Windows of 3, 4 and 5 words, the greatest of each filter over time (Kim 2014).
Network text_convolutions() {
  const auto window = [](int64_t words) {
    return sequence({convolve_1d(128, 100, words), relu, [](const Tensor& x) { return amax(x, 2); }});
  };
  return sequence({make<nn::Embedding>(20000, 128), swapped, side_by_side({window(3), window(4), window(5)}),
                   make<nn::Dropout>(0.5), make<nn::Linear>(300, 4)});
}

/// Two convolutions beside the input, which a third makes fit (He et al. 2015).
nn::Layer residual_block(int64_t in, int64_t out, int64_t stride) {
  const bool fits = in == out && stride == 1;
  const nn::Layer skip = fits ? nn::Layer(same) : convolve(in, out, 1, {.stride = stride, .bias = false});
  return sequence(
      {residual({normed(in, out, 3, {.stride = stride, .padding = 1}), relu, normed(out, out, 3, {.padding = 1})},
                skip),
       relu});
}

/// Small pictures in ten classes.
Network residual_network() {
  return sequence({normed(3, 32, 3, {.padding = 1}), relu, residual_block(32, 32, 1), residual_block(32, 64, 2),
                   residual_block(64, 128, 2), mean_of_image, make<nn::Linear>(128, 10)});
}

/// A convolution within each channel, then one across them (Howard et al. 2017, "MobileNet").
nn::Layer separable_block(int64_t in, int64_t out, int64_t stride) {
  return sequence({normed(in, in, 3, {.stride = stride, .padding = 1, .groups = in}), relu, normed(in, out, 1), relu});
}

/// Pictures of 64 by 64 pixels in ten classes.
Network mobile_network() {
  return sequence({normed(3, 32, 3, {.stride = 2, .padding = 1}), relu, separable_block(32, 64, 1),
                   separable_block(64, 128, 2), separable_block(128, 128, 1), separable_block(128, 256, 2),
                   mean_of_image, make<nn::Linear>(256, 10)});
}

/// Two convolutions that see what came before only, beside the input (Bai et al. 2018, "TCN").
nn::Layer causal_block(int64_t channels, int64_t dilation) {
  const auto past = [=](const Tensor& x) { return pad(x, {2 * dilation, 0}); };
  return residual({past, convolve_1d(channels, channels, 3, {.dilation = dilation}), make<nn::BatchNorm1d>(channels),
                   relu, past, convolve_1d(channels, channels, 3, {.dilation = dilation}), relu,
                   make<nn::Dropout>(0.1)});
}

/// Twelve numbers that follow four series of 32 steps.
Network temporal_network() {
  return sequence({convolve_1d(4, 32, 1), causal_block(32, 1), causal_block(32, 2), causal_block(32, 4),
                   causal_block(32, 8), [](const Tensor& x) { return x.select(2, -1); }, make<nn::Linear>(32, 12)});
}

/// The word that comes next, by recurrence (Zaremba et al. 2014).
Network lstm_language() {
  return sequence({make<nn::Embedding>(10000, 256),
                   make<Outputs<nn::LSTM>>(256, 256, nn::LSTMOptions{.layers = 2, .dropout = 0.2}),
                   make<nn::Linear>(256, 10000)});
}

/// The token that comes next, by attention (Radford et al. 2018).
std::shared_ptr<nn::CausalLM> gpt() {
  const nn::CausalLMOptions options{.dim = 128, .heads = 4, .layers = 4, .context = 128, .tied = false};
  return std::make_shared<nn::CausalLM>(5000, options);
}

/// A Transformer's encoder or decoder between embedding and output.
template <class Stack>
struct Transformer : nn::Module {
  nn::Embedding embedding;
  Stack layers{128, 4, 2, {.feedforward = 512, .dropout = 0.1}};
  nn::Linear output;

  Transformer(int64_t vocabulary, int64_t classes) : embedding(vocabulary, 128), output(128, classes) {
    add("embedding", embedding);
    add("layers", layers);
    add("output", output);
  }
};

/// Reads texts of unlike lengths, classifies by the first position.
struct MaskedEncoder : Transformer<nn::TransformerEncoder> {
  MaskedEncoder() : Transformer(10000, 4) {}
  Tensor forward(const Tensor& tokens, const Tensor& keep) const {
    return output.forward(layers.forward(embedding.forward(tokens), {.key_padding_keep = keep}).select(1, 0));
  }
};

/// Continues texts by what stands in a memory.
struct Decoder : Transformer<nn::TransformerDecoder> {
  Decoder() : Transformer(5000, 5000) {}
  Tensor forward(const Tensor& tokens, const Tensor& memory) const {
    return output.forward(layers.forward(embedding.forward(tokens), memory));
  }
};

/// An encoder alone, on vectors.
Network encoder() {
  return sequence({make<nn::TransformerEncoder>(256, 4, 4, nn::TransformerOptions{.feedforward = 1024})});
}

/// Two hidden layers.
Network perceptron() {
  return sequence({make<nn::Linear>(64, 128), relu, make<nn::Linear>(128, 128), relu, make<nn::Linear>(128, 10)});
}

/// A table of 50 columns in two classes.
Network batch_norm_perceptron() {
  return sequence({make<nn::Linear>(50, 256), make<nn::BatchNorm1d>(256), relu, make<nn::Dropout>(0.2),
                   make<nn::Linear>(256, 256), make<nn::BatchNorm1d>(256), relu, make<nn::Dropout>(0.2),
                   make<nn::Linear>(256, 2)});
}

/// Down to a quarter of the image and up again, each level beside what it was on the way down (Ronneberger et al. 2015).
Network unet() {
  const auto flat = [](int64_t in, int64_t out) { return convolve(in, out, 3, {.padding = 1}); };
  const auto up = [](int64_t in, int64_t out) {
    return make<nn::ConvTranspose2d>(in, out, 2, nn::ConvTranspose2dOptions{.stride = 2});
  };
  const auto down = [] { return make<nn::MaxPool2d>(2); };
  const auto quarter = sequence({down(), flat(32, 64), relu, up(64, 32)});
  const auto half =
      sequence({down(), flat(16, 32), relu, side_by_side({quarter, same}), flat(64, 32), relu, up(32, 16)});
  return sequence({flat(1, 16), relu, side_by_side({half, same}), flat(32, 16), relu, flat(16, 1)});
}

/// A variational autoencoder (Kingma and Welling 2014).
struct Autoencoder : nn::Module {
  nn::Sequential encoder{make<nn::Linear>(784, 400), relu};
  nn::Linear mean{400, 20}, log_variance{400, 20};
  nn::Sequential decoder{make<nn::Linear>(20, 400), relu, make<nn::Linear>(400, 784)};

  Autoencoder() {
    add("encoder", encoder);
    add("mean", mean);
    add("log_variance", log_variance);
    add("decoder", decoder);
  }
  /// How ill x is drawn again, and how far its code is from a standard normal one.
  Tensor loss(const Tensor& x) const {
    const Tensor h = encoder.forward(x), m = mean.forward(h), v = log_variance.forward(h);
    const Tensor drawn = decoder.forward(m + exp(v * 0.5) * randn_like(m));
    const Tensor distance = fovea::mean(sum(square(m) + exp(v) - v - 1.0, 1)) * 0.5;
    return binary_cross_entropy_with_logits(drawn, x) * 784.0 + distance;
  }
};

/// Half a feed-forward network, attention, convolutions over time, the other half (Gulati et al. 2020).
nn::Layer conformer_block(int64_t dim) {
  const auto feedforward = [=] {
    return residual(
        {make<nn::LayerNorm>(dim), make<nn::Linear>(dim, 4 * dim), silu, make<nn::Linear>(4 * dim, dim), halved});
  };
  return sequence({feedforward(), residual({make<nn::LayerNorm>(dim), make<nn::MultiheadAttention>(dim, 4)}),
                   residual({make<nn::LayerNorm>(dim), swapped, convolve_1d(dim, 2 * dim, 1), make<nn::GLU>(1),
                             convolve_1d(dim, dim, 31, {.padding = 15, .groups = dim}), make<nn::BatchNorm1d>(dim),
                             silu, convolve_1d(dim, dim, 1), swapped}),
                   feedforward()});
}

/// What is said at each of the times, of 30.
Network conformer() { return sequence({conformer_block(144), conformer_block(144), make<nn::Linear>(144, 30)}); }

/// A spectrogram's letters, [time, batch, letters]: convolutions, then a recurrent layer (Shi et al. 2017, "CRNN").
Network letter_reader() {
  return sequence({convolve(1, 32, 3, {.stride = 2, .padding = 1}), relu,
                   convolve(32, 32, 3, {.stride = 2, .padding = 1}), relu, by_column,
                   make<Outputs<nn::GRU>>(640, 128, nn::GRUOptions{.bidirectional = true}), make<nn::Linear>(256, 29),
                   [](const Tensor& x) { return log_softmax(x, -1).transpose(0, 1); }});
}

/// Numbers beside 26 columns of categories (after Naumov et al. 2019, "DLRM", without products of pairs).
struct Recommender : nn::Module {
  nn::Sequential numbers{make<nn::Linear>(13, 64), relu, make<nn::Linear>(64, 16), relu};
  nn::ModuleList<nn::Embedding> tables;
  nn::Sequential output{make<nn::Linear>(27 * 16, 128), relu, make<nn::Linear>(128, 1)};

  Recommender() {
    for (int i = 0; i < 26; ++i) tables.emplace(1000, 16);
    add("numbers", numbers);
    add("tables", tables);
    add("output", output);
  }
  Tensor forward(const Tensor& x, std::span<const Tensor> categories) const {
    std::vector<Tensor> parts{numbers.forward(x)};
    for (size_t i = 0; i < tables.size(); ++i) parts.push_back(tables[i].forward(categories[i]));
    return output.forward(concat(parts, 1));
  }
};

/// Pictures' and texts' features as unit vectors that find each other (Radford et al. 2021, "CLIP").
struct Contrast : nn::Module {
  nn::Linear picture{512, 256}, text{384, 256};

  Contrast() {
    add("picture", picture);
    add("text", text);
  }
  Tensor loss(const Tensor& pictures, const Tensor& texts, const Tensor& pairs) const {
    const Tensor p = picture.forward(pictures), t = text.forward(texts);
    const Tensor s = matmul(p / norm(p, 1, true), (t / norm(t, 1, true)).mT()) * 14.0;
    return (cross_entropy(s, pairs) + cross_entropy(s.mT(), pairs)) * 0.5;
  }
};

/// A GRU over texts of unlike lengths, read by additive attention (Bahdanau et al. 2015), written out.
struct AdditiveClassifier : nn::Module {
  nn::Embedding embedding{5000, 64};
  nn::GRU encoder{64, 64, {.bidirectional = true}};
  nn::Sequential score{make<nn::Linear>(128, 64), tanh, make<nn::Linear>(64, 1)};
  nn::Linear output{128, 6};

  AdditiveClassifier() {
    add("embedding", embedding);
    add("encoder", encoder);
    add("score", score);
    add("output", output);
  }
  Tensor forward(const Tensor& tokens, const Tensor& lengths) const {
    const Tensor h = encoder.forward(embedding.forward(tokens), lengths).output;
    const Tensor weights = softmax(where(nn::sequence_mask(lengths, 20), score.forward(h).squeeze(2), -1e9), 1);
    return output.forward(sum(weights.unsqueeze(2) * h, 1));
  }
};

/// A sequence in ten classes by an LSTM's last state.
Network lstm_512() { return sequence({make<LastState>(128, 512), make<nn::Linear>(512, 10)}); }

/// Patches of 16 by 16 pixels through an encoder (Dosovitskiy et al. 2021, "ViT").
Network vision_transformer() {
  const nn::TransformerOptions options{.feedforward = 768, .activation = nn::FeedForward::gelu, .pre_norm = true};
  return sequence({convolve(3, 192, 16, {.stride = 16}), [](const Tensor& x) { return swapped(x.flatten(2)); },
                   make<nn::TransformerEncoder>(192, 3, 6, options)});
}

/// A training workload of `loss(model, inputs)`.
template <class Make, class Loss>
Workload trained(std::string name, int64_t batch, Make make, std::vector<Input> inputs, Loss loss) {
  return {std::move(name), [=](Device device) {
            auto model = make();
            std::vector<Tensor> in;
            for (const Input& input : inputs) in.push_back(input(batch, device));
            return adam_training(model, device, [=] { return loss(*model, in); });
          }};
}

template <class T>
std::shared_ptr<T> made() {
  return std::make_shared<T>();
}

/// Of one input, and of two.
constexpr auto classes = [](const auto& model, Inputs in) { return cross_entropy(model.forward(in[0]), in[1]); };
constexpr auto classes_by_two = [](const auto& model, Inputs in) {
  return cross_entropy(model.forward(in[0], in[1]), in[2]);
};

Workload infer(std::string name, Network (*make)(), const Shape& shape) {
  return {std::move(name), [=](Device device) {
            auto model = make();
            const Tensor x = randn(shape, {.device = device});
            return inference(model, device, [=] { return model->forward(x); });
          }};
}

/// One step of a sequence, from the state of the step before.
Prepared lstm_step(Device device) {
  auto model = std::make_shared<nn::LSTM>(64, 64, nn::LSTMOptions{.layers = 2});
  const Tensor x = randn({1, 1, 64}, {.device = device});
  return inference(model, device, [=, state = nn::RecurrentState{}]() mutable {
    nn::RecurrentOutput next = model->forward(x, {}, state);
    state = {next.h, next.c};
    return next.output;
  });
}

}  // namespace

std::vector<Workload> more_model_workloads(int64_t part) {
  const auto of = [part](int64_t batch) { return std::max<int64_t>(batch / part, 2); };
  const Input lengths = ids(40, {}, 8),
              keep = [=](int64_t n, Device on) { return nn::sequence_mask(lengths(n, on), 48); };
  std::vector<Input> record(26, ids(1000));
  record.insert(record.end(), {normal({13}), fractions({1})});
  return {
      trained("train_text_cnn", of(64), text_convolutions, {ids(20000, {64}), ids(4)}, classes),
      trained("train_residual", of(32), residual_network, {normal({3, 32, 32}), ids(10)}, classes),
      trained("train_mobile", of(32), mobile_network, {normal({3, 64, 64}), ids(10)}, classes),
      trained("train_tcn", of(64), temporal_network, {normal({4, 32}), normal({12})},
              [](const auto& model, Inputs in) { return mse_loss(model.forward(in[0]), in[1]); }),
      trained("train_lstm_language", of(20), lstm_language, {ids(10000, {35}), ids(10000, {35})}, classes),
      trained("train_gpt", of(16), gpt, {ids(5000, {128}), ids(5000, {128})}, classes),
      trained("train_masked_encoder", of(32), made<MaskedEncoder>, {ids(10000, {48}), keep, ids(4)}, classes_by_two),
      trained("train_decoder", of(16), made<Decoder>, {ids(5000, {40}), normal({50, 128}), ids(5000, {40})},
              classes_by_two),
      trained("train_mlp_batch_norm", of(512), batch_norm_perceptron, {normal({50}), ids(2)}, classes),
      trained(
          "train_unet", of(8), unet, {normal({1, 64, 64}), fractions({1, 64, 64})},
          [](const auto& model, Inputs in) { return binary_cross_entropy_with_logits(model.forward(in[0]), in[1]); }),
      trained("train_vae", of(128), made<Autoencoder>, {fractions({784})},
              [](const auto& model, Inputs in) { return model.loss(in[0]); }),
      trained("train_conformer", of(8), conformer, {normal({200, 144}), ids(30, {200})}, classes),
      trained("train_crnn_ctc", of(8), letter_reader, {normal({1, 80, 200}), ids(28, {15}, 1), each(50), each(15)},
              [](const auto& model, Inputs in) { return ctc_loss(model.forward(in[0]), in[1], in[2], in[3]); }),
      trained("train_recommender", of(256), made<Recommender>, record,
              [](const auto& model, Inputs in) {
                return binary_cross_entropy_with_logits(model.forward(in[26], {in.data(), 26}), in[27]);
              }),
      trained("train_contrastive", of(256), made<Contrast>, {normal({512}), normal({384}), counted},
              [](const auto& model, Inputs in) { return model.loss(in[0], in[1], in[2]); }),
      trained("train_additive_gru", of(32), made<AdditiveClassifier>, {ids(5000, {20}), ids(15, {}, 5), ids(6)},
              classes_by_two),
      trained("train_lstm_512", of(32), lstm_512, {normal({50, 128}), ids(10)}, classes),
      infer("infer_encoder_batch32", encoder, {32, 64, 256}),
      infer("infer_residual_batch1", residual_network, {1, 3, 32, 32}),
      {"infer_lstm_step", lstm_step},
      infer("infer_mlp_batch1", perceptron, {1, 64}),
      infer("infer_vit_batch1", vision_transformer, {1, 3, 224, 224}),
  };
}

}  // namespace fovea::bench
