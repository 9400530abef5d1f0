// A model of your own in a Trainer: early stopping, class weights, a schedule, a checkpoint; then loaded and looked at.
#include <filesystem>

#include "check.h"

using namespace fovea;

constexpr int64_t classes = 3, vocabulary = 30;

struct Reader : nn::Module {
  nn::Embedding embedding{vocabulary, 16, {.padding_index = 0}};
  nn::LSTM lstm{16, 16, {.bidirectional = true}};
  nn::AttentionPool attention{32, {.score = nn::Score::additive}};
  nn::Linear output{32, classes};

  Reader() {
    add("embedding", embedding);
    add("lstm", lstm);
    add("attention", attention);
    add("output", output);
  }

  /// tokens i32 [batch, time] with 0 behind each end, lengths i32 [batch].
  Attended attend(const Tensor& tokens, const Tensor& lengths) const {
    const Tensor keep = nn::sequence_mask(lengths, tokens.size(1));
    return attention.forward_with_weights(lstm.forward(embedding.forward(tokens), lengths).output, keep);
  }
  Tensor forward(const Tensor& tokens, const Tensor& lengths) const {
    return output.forward(attend(tokens, lengths).read);
  }
};

/// Sequences of 4 to 12 tokens, one of which is 1, 2 or 3: the class.
struct Texts {
  std::vector<Tensor> tokens;
  std::vector<int64_t> places, labels;

  explicit Texts(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t length = randint(4, 13, {1}).item<int32_t>(), place = randint(0, length, {1}).item<int32_t>();
      labels.push_back(i % classes);
      places.push_back(place);
      tokens.push_back(randint(classes + 1, vocabulary, {length}));
      tokens.back().select(0, place).fill_(static_cast<double>(1 + labels.back()));
    }
  }
};

// A batch is whatever the model takes, its `labels` and which `examples` it holds.
struct Batch {
  Tensor tokens, lengths, labels;
  std::vector<int64_t> examples;
};

Batch make_batch(const Texts& texts, std::span<const int64_t> chosen) {
  std::vector<Tensor> tokens;
  std::vector<int64_t> lengths, labels;
  for (const int64_t i : chosen) {
    tokens.push_back(texts.tokens[static_cast<size_t>(i)]);
    lengths.push_back(tokens.back().size(0));
    labels.push_back(texts.labels[static_cast<size_t>(i)]);
  }
  const Shape all{std::ssize(chosen)};
  return {
      nn::pad_sequence(tokens), from_vector(lengths, all), from_vector(labels, all), {chosen.begin(), chosen.end()}};
}

int main() {
  manual_seed(7);
  const Texts learned(900), held_out(200);
  Reader model;
  nn::AdamW optimizer(model, {.lr = 0.01});

  const auto batches_of = [](const Texts& texts) {
    return [&texts](std::span<const int64_t> chosen) { return make_batch(texts, chosen); };
  };
  data::DataLoader<Batch> loader(data::BatchSampler(900, {.batch_size = 32, .shuffle = true}), batches_of(learned));
  data::DataLoader<Batch> others(data::BatchSampler(200, {.batch_size = 64}), batches_of(held_out));
  const auto forward = [&](const Batch& batch) { return model.forward(batch.tokens, batch.lengths); };
  auto train = train::stream(loader, forward), valid = train::stream(others, forward);

  const std::string file = std::filesystem::temp_directory_path() / "fovea_reader";
  train::Trainer trainer(
      model, optimizer,
      {.epochs = 8,
       .patience = 2,
       .clip = 1,
       .class_weights = tensor({1, 1, 2}),
       .schedule = [](int64_t steps) { return nn::schedule::warm_up(steps / 10, nn::schedule::cosine(steps)); },
       .checkpoint = file + ".checkpoint"});
  const train::Ending ending =
      trainer.fit(train, &valid,
                  {.epoch = [](const train::EpochRecord& epoch) { fmt::print("{}\n", train::epoch_line(epoch, 8)); }});
  fmt::print("{}, best in epoch {}\n", train::name(ending), trainer.best_epoch());
  data::save_safetensors(file + ".safetensors", model.state_dict());

  Reader loaded;
  loaded.load_state_dict(data::load_safetensors(file + ".safetensors"));
  const nn::Evaluating evaluation(loaded);
  const Batch all = make_batch(held_out, std::vector<int64_t>{0, 1, 2, 3});
  const Attended attended = loaded.attend(all.tokens, all.lengths);
  const std::vector<int32_t> looked_at = argmax(attended.weights, 1).to_vector<int32_t>();
  check(trainer.evaluate(valid).confusion.accuracy() > 0.95, "it learns");
  for (size_t i = 0; i < 4; ++i) check(looked_at[i] == held_out.places[i], "it looks at the token that tells");
  std::filesystem::remove(file + ".safetensors");
  std::filesystem::remove(file + ".checkpoint");
}
