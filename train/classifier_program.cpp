#include "fovea/train/classifier_program.h"

#include <fmt/format.h>

#include "fovea/data/file_error.h"
#include "fovea/train/hyper_search.h"
#include "fovea/train/model_commands.h"
#include "fovea/train/run_identity.h"
#include "fovea/train/training_session.h"

namespace fovea::train {

ClassifierProgram::ClassifierProgram(std::string name, std::string description, MakeTask make_task)
    : name_(std::move(name)), description_(std::move(description)), make_task_(std::move(make_task)) {}

void ClassifierProgram::set_demo(std::string description, Demo demo) {
  demo_description_ = std::move(description);
  demo_ = std::move(demo);
}

int ClassifierProgram::run(int argc, const char* const* argv) const {
  CommandLine line(name_, description_);
  line.add(train_command());
  line.add(search_command());
  for (Command& command : model_commands(name_, make_task_)) line.add(std::move(command));
  if (demo_) line.add(demo_command());
  return line.run(argc, argv);
}

int ClassifierProgram::run(const std::vector<std::string>& arguments) const {
  std::vector<const char*> argv{name_.c_str()};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return run(static_cast<int>(argv.size()), argv.data());
}

int ClassifierProgram::show(std::vector<std::string> arguments, const RunOptions& options) const {
  if (options.quiet) {
    arguments.emplace_back("--quiet");
  } else {
    std::string line = "\n$ " + name_;
    for (const std::string& argument : arguments) {
      const bool plain = argument.find_first_of(" \"{") == std::string::npos;
      line += plain ? " " + argument : " '" + argument + '\'';
    }
    fmt::print("{}\n", line);
    std::fflush(stdout);
  }
  arguments.insert(arguments.end(), {"--threads", std::to_string(options.threads)});
  if (!options.device.empty()) arguments.insert(arguments.end(), {"--device", options.device});
  return run(arguments);
}

Evaluation ClassifierProgram::evaluate(const std::string& folder, const std::string& file,
                                       const RunOptions& run) const {
  TrainedModel trained = TrainedModel::load(folder, name_, make_task_(), {}, run.apply());
  if (trained.task->multi_label()) data::fail(folder, "its examples have several labels");
  return std::get<Evaluation>(evaluate_on(trained, file));
}

Command ClassifierProgram::train_command() const {
  auto session = std::make_shared<TrainingSession>(name_, make_task_());
  return {.name = "train",
          .description = "Learns from labelled examples and writes a model",
          .declare = [session](OptionTable& options) { session->declare(options); },
          .run = [session](OptionTable& options) { return session->run(options); },
          .ranks = true,
          .goes_on = true};
}

Command ClassifierProgram::search_command() const {
  auto search = std::make_shared<HyperSearch>(name_, make_task_);
  return {.name = "search",
          .description = "Trains many models to find the best options, and keeps the best one",
          .declare = [search](OptionTable& options) { search->declare(options); },
          .run = [search](OptionTable& options) { return search->run(options); },
          .goes_on = true};
}

Command ClassifierProgram::demo_command() const {
  struct State {
    std::string out;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  state->out = name_ + "_demo";
  return {.name = "demo",
          .description = demo_description_,
          .declare =
              [state](OptionTable& options) {
                options.group("Files");
                options.add("out", &state->out, "folder to write to", {.placeholder = "DIR", .configuration = false});
                state->run.declare(options);
              },
          .run =
              [state, this](OptionTable&) {
                prepare_folder(state->out);
                return demo_(*this, state->out, state->run);
              }};
}

}  // namespace fovea::train
