#include "generation.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "fovea/data/file_error.h"
#include "fovea/train/command_line.h"
#include "fovea/train/export.h"
#include "fovea/train/json_text.h"
#include "model_options.h"

using namespace fovea;

namespace {

std::vector<int32_t> ids_of_prompt(const Characters& characters, const std::string& prompt) {
  std::vector<int32_t> ids = characters.encode(prompt);
  if (ids.empty()) ids.push_back(data::Vocabulary::unknown + 1);
  return ids;
}

Tensor row(const std::vector<int32_t>& ids, Device device) {
  return from_vector(ids, {1, static_cast<int64_t>(ids.size())}, device);
}

/// A file or folder that has to be named, on the command line alone.
void add_path(train::OptionTable& options, const char* name, std::string* path, const char* help, const char* kind) {
  options.add(name, path, help, {.placeholder = kind, .required = true, .configuration = false});
}

}  // namespace

std::string continue_text(nn::CausalLM& model, const Characters& characters, const std::string& prompt,
                          const nn::GenerateOptions& options) {
  const Tensor start = row(ids_of_prompt(characters, prompt), model.embedding.weight.device());
  std::string text;
  for (const int32_t id : model.generate(start, options).to_vector<int32_t>()) text += characters.text(id);
  return text;
}

train::Command generate_command() {
  struct State {
    std::string model, prompt;
    nn::GenerateOptions options = {.length = 400, .sampling = {.temperature = 0.8}};
    int64_t seed = 1, beams = 0;
    bool no_cache = false;
    train::RunOptions run;
  };
  auto state = std::make_shared<State>();
  const auto declare = [state](train::OptionTable& options) {
    options.group("Files");
    add_path(options, "model", &state->model, "folder that train wrote", "DIR");
    options.group("Text");
    options.add("prompt", &state->prompt, "what the text begins with", {.default_text = "the commonest character"});
    options.add("length", &state->options.length, "characters to write", {.min = 0, .max = 1e9});
    options.add("temperature", &state->options.sampling.temperature,
                "below 1 the likely grows likelier; 0 takes the likeliest", {.min = 0, .max = 1e6});
    options.add("top-k", &state->options.sampling.top_k, "choose among the k likeliest; 0 for all",
                {.min = 0, .max = 1e9});
    options.add("top-p", &state->options.sampling.top_p, "choose among the likeliest that together reach p",
                {.min = 1e-9, .max = 1});
    options.add("seed", &state->seed, "start of the random numbers; the same seed gives the same text", {.min = 0});
    options.add("beams", &state->beams, "nothing is drawn: the likeliest text that a search with so many beams finds",
                {.min = 0, .max = 1024, .default_text = "0, drawn"});
    options.add("no-cache", &state->no_cache, "read everything again for each character: the same text, slowly");
    state->run.declare(options);
  };
  const auto run = [state](train::OptionTable& table) {
    for (const char* drawing : {"temperature", "top-k", "top-p", "seed", "no-cache"}) {
      if (state->beams > 0 && table.given(drawing)) train::refuse("--{} is of no use with --beams", drawing);
    }
    const Device device = state->run.apply();
    const LanguageModel loaded = LanguageModel::load(state->model, device);
    nn::GenerateOptions options = state->options;
    options.seed = static_cast<uint64_t>(state->seed);
    options.cache = !state->no_cache;
    std::string text;
    const bool shows = !state->run.json && !state->run.quiet;
    const auto show = [&](int32_t id) {
      const std::string_view character = loaded.characters.text(id);
      text += character;
      if (!shows) return;
      std::fwrite(character.data(), 1, character.size(), stdout);
      std::fflush(stdout);
    };
    const std::vector<int32_t> prompt = ids_of_prompt(loaded.characters, state->prompt);
    for (const int32_t id : prompt) show(id);
    options.step = [&](std::span<const int32_t> drawn) {
      show(drawn[0]);
      return true;
    };
    if (state->beams > 0) {
      const auto found =
          loaded.model->beam_search(row(prompt, device), {.beams = state->beams, .length = options.length});
      for (const int32_t id : found[0][0].tokens) show(id);
    } else {
      loaded.model->generate(row(prompt, device), options);
    }
    if (shows) fmt::print("\n");
    if (state->run.json) fmt::print("{}\n", train::json_text(nlohmann::json{{"text", text}}));
    return train::ExitStatus::success;
  };
  return {.name = "generate", .description = "Writes a text", .declare = declare, .run = run};
}

train::Command evaluate_command() {
  struct State {
    std::string model, data;
    train::RunOptions run;
  };
  auto state = std::make_shared<State>();
  const auto declare = [state](train::OptionTable& options) {
    options.group("Files");
    add_path(options, "model", &state->model, "folder that train wrote", "DIR");
    add_path(options, "data", &state->data, "text to test on", "FILE");
    state->run.declare(options);
  };
  const auto run = [state](train::OptionTable&) {
    const Device device = state->run.apply();
    const LanguageModel loaded = LanguageModel::load(state->model, device);
    std::vector<int32_t> ids = loaded.characters.encode(read_text(state->data));
    if (ids.size() < 2) data::fail(state->data, "{} characters; two are the least", ids.size());
    Windows windows(*loaded.model, std::move(ids),
                    {.context = loaded.model->options().context, .batch_size = loaded.batch_size}, device);
    const train::Score score = train::score(*loaded.model, windows);
    const double bits = score.loss / std::log(2.0);
    if (!state->run.quiet) {
      fmt::print("loss {:.4f}  bits a character {:.4f}  perplexity {:.3f}  accuracy {:.4f}  on {} characters\n",
                 score.loss, bits, std::exp(score.loss), score.accuracy, score.examples);
    }
    if (state->run.json) {
      fmt::print(
          "{}\n",
          train::json_text(nlohmann::ordered_json{
              {"characters", score.examples}, {"accuracy", score.accuracy}, {"bits", bits}, {"loss", score.loss}}));
    }
    return train::ExitStatus::success;
  };
  return {.name = "evaluate", .description = "Tests a model on a text", .declare = declare, .run = run};
}

train::Command export_command() {
  struct State {
    std::string model, onnx;
    train::RunOptions run;
  };
  auto state = std::make_shared<State>();
  const auto declare = [state](train::OptionTable& options) {
    options.group("Files");
    add_path(options, "model", &state->model, "folder that train wrote", "DIR");
    add_path(options, "onnx", &state->onnx, "file to write, for other programs", "FILE");
    state->run.declare(options);
  };
  const auto run = [state](train::OptionTable&) {
    const LanguageModel loaded = LanguageModel::load(state->model, state->run.apply());
    train::refuse_own_files(state->model, state->onnx);
    std::vector<std::string> characters;
    for (int32_t id = 0; id < loaded.model->embedding.weight.size(0); ++id) {
      characters.emplace_back(loaded.characters.text(id));
    }
    onnx::Graph graph(program_name);
    const onnx::Value tokens = graph.input("tokens", onnx::Element::i64, {"batch", "time"}, "ids of characters");
    graph.output("logits", onnx::emit(*loaded.model, tokens), onnx::Element::f32,
                 {"batch", "time", static_cast<int64_t>(characters.size())}, "of the character behind each");
    onnx::ModelText text{.description = "A language model of characters, trained with Fovea."};
    text.metadata = {{"program", program_name},
                     {"characters", nlohmann::json(characters).dump()},
                     {"context", std::to_string(loaded.model->options().context)}};
    const std::string bytes = graph.to_bytes(text);
    data::write_atomically(state->onnx, bytes);
    if (!state->run.quiet) {
      fmt::print("{}: {:.2f} MB, {}\n", state->onnx, static_cast<double>(bytes.size()) / 1e6, graph.signature());
    }
    if (state->run.json) {
      fmt::print("{}\n", train::json_text(nlohmann::ordered_json{{"onnx", state->onnx}, {"bytes", bytes.size()}}));
    }
    return train::ExitStatus::success;
  };
  return {.name = "export", .description = "Writes a model as an ONNX file", .declare = declare, .run = run};
}
