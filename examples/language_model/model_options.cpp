#include "model_options.h"

#include <filesystem>

#include "fovea/train/model_folder.h"

using namespace fovea;

void ModelOptions::declare(train::OptionTable& options) {
  options.group("Model");
  options.add("context", &context, "characters that are read at once", {.min = 1, .max = 1 << 20});
  options.add("dim", &dim, "numbers a character", {.min = 1, .max = 65536});
  options.add("layers", &layers, "transformer layers", {.min = 0, .max = 256});
  options.add("heads", &heads, "heads of each layer's attention", {.min = 1, .max = 1024});
  options.add("feedforward", &feedforward, "inner numbers of each layer",
              {.min = 0, .max = 1 << 20, .default_text = "4 --dim"});
  options.add("positions", &positions, "how it tells where a character stands",
              {.choices = {"learned", "sinusoidal", "rotary", "alibi", "none"}});
  options.add("untied", &untied, "the output has weights of its own, not those of the embedding");
  options.add("vocabulary", &vocabulary, "most characters to know, the commonest", {.min = 3, .max = 1 << 16});
}

void ModelOptions::check() const {
  if (dim % heads != 0) train::refuse("--dim {} does not divide into --heads {}", dim, heads);
  if (positions == "rotary" && dim / heads % 2 != 0) {
    train::refuse("--positions rotary needs an even number of --dim for each of --heads, not {}", dim / heads);
  }
}

std::unique_ptr<nn::CausalLM> ModelOptions::make(int64_t ids, double dropout) const {
  nn::CausalLMOptions options{.dim = dim, .heads = heads, .layers = layers, .context = context, .tied = !untied};
  for (const auto kind : {nn::Positions::learned, nn::Positions::sinusoidal, nn::Positions::rotary,
                          nn::Positions::alibi, nn::Positions::none}) {
    if (positions == nn::name(kind)) options.positions = kind;
  }
  options.transformer.feedforward = feedforward > 0 ? feedforward : 4 * dim;
  options.transformer.dropout = dropout;
  return std::make_unique<nn::CausalLM>(ids, options);
}

std::string vocabulary_path(const std::string& folder) { return std::filesystem::path(folder) / "vocabulary.txt"; }

LanguageModel LanguageModel::load(const std::string& folder, Device device) {
  const train::ModelConfig config = train::load_config(folder, program_name);
  ModelOptions made_of;
  train::TrainingOptions training;
  double hold_out = 0;
  train::OptionTable table;
  table.add("hold-out", &hold_out, "");
  made_of.declare(table);
  training.declare(table);
  try {
    table.from_json(config.options, train::config_path(folder));
    made_of.check();
  } catch (const train::UsageError& error) {
    throw DataError(error.what());
  }
  Characters characters(data::Vocabulary::load(vocabulary_path(folder)));
  train::check_files(folder, config);
  auto model = made_of.make(characters.vocabulary().size(), training.dropout);
  model->to(device);
  model->eval();
  train::load_weights(folder, *model, config.run);
  return {std::move(characters), std::move(model), training.batch_size};
}
