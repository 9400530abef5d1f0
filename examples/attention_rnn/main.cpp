// The smallest whole program: sequences are read by an RNN, attention picks what matters, a linear layer names the class.
// Trains on random data, saves the model, loads it into a fresh one, and shows the weights of every kind of attention.

#include <fovea/fovea.h>

#include <filesystem>

using namespace fovea;

struct Model : nn::Module {
  nn::Embedding embedding{10, 3};
  nn::RNN rnn{3, 8};
  nn::AttentionPool attention;
  nn::Linear classes{8, 10};

  explicit Model(nn::AttentionPoolOptions options = {}) : attention(8, options) {
    add("embedding", embedding);
    add("rnn", rnn);
    add("attention", attention);
    add("classes", classes);
  }

  Attended attend(const Tensor& tokens) const {
    return attention.forward_with_weights(rnn.forward(embedding.forward(tokens)).output);
  }
  Tensor forward(const Tensor& tokens) const { return classes.forward(attend(tokens).read); }
};

double accuracy(const Model& model, const Tensor& tokens, const Tensor& labels) {
  const NoGrad no_grad;
  return mean(eq(argmax(model.forward(tokens)), labels).to(f32)).item();
}

int main() {
  manual_seed(7);
  const Tensor tokens = randint(0, 10, {100, 10}), labels = randint(0, 10, {100});

  Model model;
  nn::Adam optimizer(model, {.lr = 0.01});
  for (int epoch = 1; epoch <= 10; ++epoch) {
    const Tensor order = randperm(100);
    double total = 0;
    for (int64_t start = 0; start < 100; start += 32) {
      const Tensor batch = order.slice(0, start, start + 32);
      optimizer.zero_grad();
      const Tensor loss = cross_entropy(model.forward(index_select(tokens, 0, batch)), index_select(labels, 0, batch));
      loss.backward();
      optimizer.step();
      total += loss.item() * static_cast<double>(batch.numel()) / 100;
    }
    fmt::print("epoch {:2}  loss {:.4f}  accuracy {:.2f}\n", epoch, total, accuracy(model, tokens, labels));
  }

  const auto file = std::filesystem::temp_directory_path() / "attention_rnn.safetensors";
  data::save_safetensors(file, model.state_dict());
  Model loaded;
  loaded.load_state_dict(data::load_safetensors(file));
  fmt::print("saved and loaded: accuracy {:.2f}, before {:.2f}\n", accuracy(loaded, tokens, labels),
             accuracy(model, tokens, labels));

  fmt::print("\nattention weights of one sequence\n");
  for (const auto score :
       {nn::Score::dot, nn::Score::scaled_dot, nn::Score::cosine, nn::Score::bilinear, nn::Score::additive}) {
    for (const auto weights : {nn::Weights::softmax, nn::Weights::sum, nn::Weights::exp}) {
      const Model shown({.score = score, .weights = weights});
      fmt::print("{:10} {:8}", nn::name(score), nn::name(weights));
      for (double weight : shown.attend(tokens.slice(0, 0, 1)).weights.to_vector<double>())
        fmt::print(" {:.3f}", weight);
      fmt::print("\n");
    }
  }
}
