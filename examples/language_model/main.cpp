// A language model of characters: `language_model train --train FILE --out DIR` learns to continue a text, `generate`
// writes one. The model is the library's nn::CausalLM; training.cpp shows how it is trained, generation.cpp how it writes.

#include "demo.h"
#include "fovea/train/command_line.h"
#include "generation.h"
#include "training.h"

using namespace fovea;

namespace {

int run(const std::vector<std::string>& arguments);

train::Command train_command() {
  auto training = std::make_shared<Training>();
  return {.name = "train",
          .description = "Learns from a text and writes a model",
          .declare = [training](train::OptionTable& options) { training->declare(options); },
          .run = [training](train::OptionTable& options) { return training->run(options); },
          .goes_on = true};
}

train::Command demo_command() {
  struct State {
    std::string out = "language_model_demo";
    train::RunOptions run;
  };
  auto state = std::make_shared<State>();
  return {.name = "demo",
          .description = "Learns a short text by heart and recites it, in under a minute",
          .declare =
              [state](train::OptionTable& options) {
                options.group("Files");
                options.add("out", &state->out, "folder to write to", {.placeholder = "DIR", .configuration = false});
                state->run.declare(options);
              },
          .run = [state](train::OptionTable&) { return run_demo(run, state->out, state->run); }};
}

int run(const std::vector<std::string>& arguments) {
  train::CommandLine line(program_name, "Learns to write like a text, character by character.");
  line.add(train_command());
  line.add(evaluate_command());
  line.add(generate_command());
  line.add(export_command());
  line.add(demo_command());
  std::vector<const char*> argv{program_name};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return line.run(static_cast<int>(argv.size()), argv.data());
}

}  // namespace

int main(int argc, char** argv) { return run({argv + 1, argv + argc}); }
