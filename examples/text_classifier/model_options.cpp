#include "model_options.h"

#include <charconv>

using namespace fovea;

namespace {

/// The value of an enumeration that goes by this name.
template <class Kind, size_t n>
Kind named(const std::string& name, const Kind (&kinds)[n]) {
  for (const Kind kind : kinds) {
    if (nn::name(kind) == name) return kind;
  }
  train::refuse("there is no {}", name);
}

}  // namespace

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("encoder", &encoder,
              "what reads the tokens; of the training, bag has by default adagrad, lr 0.1, the last epoch and no "
              "patience, conv 20 epochs, lr 0.001 and dropout 0.5, transformer lr 0.001 and warmup 0.1",
              {.choices = {"bag", "rnn", "gru", "lstm", "conv", "transformer", "hierarchical"}});
  options.add("attention", &attention,
              "how the attention scores a token; without one the last states, of conv the greatest features, of "
              "transformer the mean speak for the text",
              {.choices = {"additive", "dot", "scaled_dot", "cosine", "bilinear", "multi_head", "none"},
               .default_text = "additive; conv: none; transformer: multi_head"});
  options.add("weights", &weights, "how scores become weights", {.choices = {"softmax", "sum", "exp", "sparsemax"}});
  options.add("gate", &gate, "a learned gate on what the attention read");
  options.add("embedding", &embedding, "numbers a token", {.min = 1, .max = 65536, .default_text = "128; bag: 50"});
  options.add("hidden", &hidden,
              "numbers of a recurrent state in each direction, features of each width of conv, inner numbers of a "
              "transformer's layers",
              {.min = 1, .max = 65536, .default_text = "128; conv: 100; transformer: 256; hierarchical: 64"});
  options.add("layers", &layers, "recurrent or transformer layers",
              {.min = 1, .max = 64, .default_text = "1; transformer: 2"});
  options.add("heads", &heads, "heads of transformer layers and of multi_head attention", {.min = 1, .max = 1024});
  options.add("positions", &positions, "how a transformer tells where a token stands",
              {.choices = {"learned", "sinusoidal", "rotary", "none"}});
  options.add("kernels", &kernels, "widths of conv, in tokens", {.placeholder = "N[,N]"});
  options.add("word-dropout", &word_dropout, "share of the tokens that a step hides", {.min = 0, .max = 0.95});
}

void ModelOptions::settle(const train::OptionTable& options, train::TrainingOptions& training,
                          const train::TextOptions& text) {
  const auto usually = [&](const char* name, auto& value, const auto& usual) {
    if (!options.given(name)) value = usual;
  };
  if (is_bag()) {
    usually("embedding", embedding, 50);
    usually("optimizer", training.optimizer, "adagrad");
    // Adagrad's steps grow small by themselves: the last epoch is as good as any, and the best one of a few hundred
    // held-out texts mostly chance.
    usually("lr", training.lr, 0.1);
    usually("keep", training.keep, "last");
    usually("patience", training.patience, 0);
  } else if (encoder == "conv") {
    usually("attention", attention, "none");
    usually("hidden", hidden, 100);
    usually("epochs", training.epochs, 20);  // with half of its features dropped it learns slowly (Kim 2014 took 25)
    usually("lr", training.lr, 1e-3);
    usually("dropout", training.dropout, 0.5);
  } else if (encoder == "transformer") {
    usually("attention", attention, "multi_head");
    usually("hidden", hidden, 256);
    usually("layers", layers, 2);
    usually("lr", training.lr, 1e-3);
    usually("warmup", training.warmup, 0.1);
  } else if (is_hierarchical()) {
    usually("hidden", hidden, 64);
  }
  dropout = training.dropout;
  refuse_unused(text);
  if (!is_bag()) check_sizes(text);
}

/// What the model would take no notice of.
void ModelOptions::refuse_unused(const train::TextOptions& text) const {
  const ModelOptions usual;
  const std::string by_encoder = "--encoder " + encoder;
  const bool conv = encoder == "conv", transformer = encoder == "transformer";
  train::refuse_unused(!is_bag(), "attention", attention, usual.attention, by_encoder);
  train::refuse_unused(!is_bag(), "weights", weights, usual.weights, by_encoder);
  train::refuse_unused(!is_bag() && !is_hierarchical(), "gate", gate, usual.gate, by_encoder);
  train::refuse_unused(!is_bag(), "hidden", hidden, usual.hidden, by_encoder);
  train::refuse_unused(!is_bag() && !is_hierarchical() && !conv, "layers", layers, usual.layers, by_encoder);
  train::refuse_unused(transformer, "positions", positions, usual.positions, by_encoder);
  train::refuse_unused(conv, "kernels", kernels, usual.kernels, by_encoder);
  if (is_hierarchical() && (attention == "none" || attention == "multi_head")) {
    train::refuse("--encoder hierarchical reads by an attention of one head, not by {}", attention);
  }
  train::refuse_unused(is_hierarchical(), "max-sentence", text.max_sentence, train::TextOptions().max_sentence,
                       by_encoder);
  if (text.bigrams && !is_bag()) train::refuse("--bigrams goes with --encoder bag only");
  train::refuse_unused(is_bag() || attention != "none", "weights", weights, usual.weights, "--attention none");
  train::refuse_unused(is_bag() || attention != "none", "gate", gate, usual.gate, "--attention none");
  train::refuse_unused(transformer || attention == "multi_head", "heads", heads, usual.heads,
                       by_encoder + (is_bag() ? "" : " with --attention " + attention));
}

void ModelOptions::check_sizes(const train::TextOptions& text) const {
  const auto need_heads = [this](int64_t width, const std::string& what) {
    if (width % heads != 0) train::refuse("{} does not divide into --heads {}", what, heads);
  };
  if (encoder == "conv") {
    const auto count = static_cast<int64_t>(kernel_widths().size());
    if (attention == "multi_head") {
      need_heads(count * hidden, fmt::format("--hidden {} of {} --kernels", hidden, count));
    }
  } else if (encoder == "transformer") {
    need_heads(embedding, fmt::format("--embedding {}", embedding));
    if (positions == "rotary" && embedding / heads % 2 != 0) {
      train::refuse("--positions rotary needs an even number of --embedding for each of --heads, not {}",
                    embedding / heads);
    }
    if (positions == "learned" && text.max_length == 0) {
      train::refuse("--positions learned needs a --max-length; with 0 there is none");
    }
  } else if (attention == "multi_head") {
    need_heads(2 * hidden, fmt::format("--hidden {} of two directions", hidden));
  }
}

train::TextLayout ModelOptions::layout() const {
  return is_bag()            ? train::TextLayout::bags
         : is_hierarchical() ? train::TextLayout::sentences
                             : train::TextLayout::sequences;
}

nn::Score ModelOptions::score() const {
  return named(attention,
               {nn::Score::additive, nn::Score::dot, nn::Score::scaled_dot, nn::Score::cosine, nn::Score::bilinear});
}

nn::Weights ModelOptions::weights_kind() const {
  return named(weights, {nn::Weights::softmax, nn::Weights::sum, nn::Weights::exp, nn::Weights::sparsemax});
}

std::vector<int64_t> ModelOptions::kernel_widths() const {
  std::vector<int64_t> widths;
  for (const std::string& word : kernels) {
    int64_t width = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), width);
    if (error != std::errc() || end != word.data() + word.size() || width < 1 || width > 99) {
      train::refuse("--kernels: \"{}\" is not a whole number from 1 to 99", word);
    }
    widths.push_back(width);
  }
  return widths;
}
