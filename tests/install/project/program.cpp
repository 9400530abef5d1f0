// Learns which mark stands at the end of a sequence, saves the model, loads it into a fresh one and asks that one.
#include <fovea/fovea.h>

#include <cstdio>

using namespace fovea;

struct Model : nn::Module {
  nn::Embedding embedding{4, 8};
  nn::GRU encoder{8, 8};
  nn::AttentionPool attention{8};
  nn::Linear output{8, 2};

  Model() {
    add("embedding", embedding);
    add("encoder", encoder);
    add("attention", attention);
    add("output", output);
  }
  Tensor forward(const Tensor& tokens) const {
    return output.forward(attention.forward(encoder.forward(embedding.forward(tokens)).output));
  }
};

int main(int, char** arguments) {
  manual_seed(1);
  const Tensor tokens = randint(0, 2, {64, 6}), labels = randint(0, 2, {64});
  const Tensor marked = concat({tokens, (labels + 2).reshape({64, 1})}, 1);

  Model model;
  nn::Adam optimizer(model.parameters(), {.lr = 0.05});
  for (int step = 0; step < 40; ++step) {
    optimizer.zero_grad();
    cross_entropy(model.forward(marked), labels).backward();
    nn::clip_grad_norm_(model.parameters(), 1.0);
    optimizer.step();
  }
  data::save_safetensors(arguments[1], model.state_dict());

  Model loaded;
  loaded.load_state_dict(data::load_safetensors(arguments[1]));
  const NoGrad no_grad;
  const double accuracy = mean(eq(argmax(loaded.forward(marked)), labels).to(f32)).item();
  std::printf("accuracy %.3f\n", accuracy);
  return accuracy > 0.95 ? 0 : 1;
}
