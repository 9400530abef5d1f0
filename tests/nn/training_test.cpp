// Whole training loops: everything of nn/ together.

#include "layer_checks.h"

namespace fovea {
namespace {

struct Classifier : nn::Module {
  nn::Embedding embedding{50, 24, {.padding_index = 0}};
  nn::Dropout dropout{0.2};
  nn::GRU encoder{24, 32, {.layers = 2, .bidirectional = true, .dropout = 0.1}};
  nn::LayerNorm norm{64};
  nn::AttentionPool attention{64};
  nn::Linear output{64, 3};

  Classifier() {
    add("embedding", embedding);
    add("dropout", dropout);
    add("encoder", encoder);
    add("norm", norm);
    add("attention", attention);
    add("output", output);
  }
  Tensor forward(const Tensor& tokens) const {
    const Tensor keep = gt(tokens, 0.0);
    const Tensor lengths = sum(keep.to(i32), -1);
    const Tensor states = encoder.forward(dropout.forward(embedding.forward(tokens)), lengths).output;
    return output.forward(attention.forward(norm.forward(states), keep));
  }
};

struct Batch {
  Tensor tokens, labels;
};

/// Texts of 2 to 13 tokens; the label is whether token 1, token 2 or neither occurs.
Batch batch(uint64_t seed) {
  Generator generator{.seed = seed};
  const int64_t count = 32, time = 13;
  std::vector<int32_t> tokens = randint(3, 50, {count, time}, {.dtype = i32}, generator).to_vector<int32_t>(), labels;
  const std::vector<int32_t> lengths = randint(2, time + 1, {count}, {.dtype = i32}, generator).to_vector<int32_t>();
  for (size_t b = 0; b < lengths.size(); ++b) {
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(b) * time;
    std::fill(first + lengths[b], first + time, 0);
    labels.push_back(static_cast<int32_t>(b % 3));
    if (labels.back() > 0) *(first + static_cast<std::ptrdiff_t>(b) % lengths[b]) = labels.back();
  }
  return {from_vector(tokens, {count, time}), from_vector(labels)};
}

struct Loop {
  Classifier model;
  nn::AdamW optimizer{model, {.lr = 1e-2}};
  nn::Schedule rates{optimizer, nn::schedule::warm_up(5, nn::schedule::cosine(100, 1e-3), 0.1)};
  double loss = 0;

  void train(uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i) {
      const Batch b = batch(i);
      optimizer.zero_grad();
      const Tensor value = cross_entropy(model.forward(b.tokens), b.labels, {.label_smoothing = 0.05});
      value.backward();
      nn::clip_grad_norm_(model.parameters(), 1);
      optimizer.step();
      rates.step();
      loss = value.item();
    }
  }
};

void expect_equal(const nn::StateDict& got, const nn::StateDict& want) {
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, tensor] : want) EXPECT_CLOSE(got.at(name), tensor, 0, 0) << name;
}

TEST(Training, LearnsWhatTheTextsSay) {
  manual_seed(1);
  Loop run;
  run.train(0, 60);
  run.model.eval();
  const NoGrad off;
  const Batch test = batch(1000);
  const Tensor right = eq(argmax(run.model.forward(test.tokens)).to(f32), test.labels.to(f32));
  EXPECT_GE(mean(right.to(f32)).item(), 0.9);
}

TEST(Training, ThreadsDoNotChangeAByte) {
  const int before = num_threads();
  std::vector<nn::StateDict> states;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    manual_seed(2);
    Loop run;
    run.train(0, 4);
    states.push_back(test::copy_of(run.model.state_dict()));
  }
  set_num_threads(before);
  expect_equal(states[1], states[0]);
  expect_equal(states[2], states[0]);
}

TEST(Training, ResumesToTheVerySameModel) {
  manual_seed(3);
  Loop whole;
  whole.train(0, 7);

  manual_seed(3);
  Loop first;
  first.train(0, 4);
  const Generator generator = default_generator();
  const nn::StateDict model = test::copy_of(first.model.state_dict()),
                      optimizer = test::copy_of(first.optimizer.state_dict()), rates = first.rates.state_dict();

  manual_seed(99);
  Loop second;
  second.model.load_state_dict(model);
  second.optimizer.load_state_dict(optimizer);
  second.rates.load_state_dict(rates);
  default_generator() = generator;
  second.train(4, 7);
  expect_equal(second.model.state_dict(), whole.model.state_dict());
}

TEST(Training, StepsNeitherKeepNorLeakMemory) {
  Loop run;
  run.train(0, 3);
  Backend& cpu = backend(Device::cpu());
  const size_t live = cpu.memory().live;
  run.train(3, 12);
  EXPECT_EQ(cpu.memory().live, live);
}

}  // namespace
}  // namespace fovea
