#include "fovea/train/classifier_program.h"

#include <fmt/format.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "fovea/train/export.h"
#include "fovea/train/hyper_search.h"
#include "fovea/train/inference.h"
#include "fovea/train/prediction.h"
#include "fovea/train/serving.h"
#include "fovea/train/trained_model.h"
#include "fovea/train/training_report.h"
#include "fovea/train/training_session.h"

namespace fovea::train {
namespace {

constexpr size_t most_printed_classes = 30;

void print_evaluation(const Evaluation& evaluation, const data::Labels& labels, const std::string& noun) {
  const ConfusionMatrix& confusion = evaluation.confusion;
  const ProbabilityMetrics& probabilities = evaluation.probabilities;
  fmt::print("accuracy {:.4f}  macro F1 {:.4f}  weighted F1 {:.4f}  loss {:.4f}  on {} {}\n", confusion.accuracy(),
             confusion.macro_f1(), confusion.weighted_f1(), evaluation.loss, confusion.examples(), noun);
  fmt::print("ROC AUC {:.4f}  calibration error {:.4f}  Brier score {:.4f}\n", probabilities.roc_auc,
             probabilities.calibration_error, probabilities.brier);
  const std::vector<ClassMetrics> metrics = confusion.per_class();
  if (metrics.size() > most_printed_classes) return;
  fmt::print("\nprecision  recall      F1  examples  class\n");
  for (size_t i = 0; i < metrics.size(); ++i) {
    fmt::print("{:9.4f}  {:6.4f}  {:6.4f}  {:8}  {}\n", metrics[i].precision, metrics[i].recall, metrics[i].f1,
               metrics[i].support, labels.names()[i]);
  }
}

Evaluation evaluate_on(TrainedModel& trained, const std::string& file) {
  trained.task->load_test(file);
  const auto data = trained.task->stream(Part::test, {.batch_size = 2 * trained.batch_size});
  Predictions predictions = predict(*trained.model, *data);
  predictions.decision = trained.decision;
  return evaluation_of(*trained.task, Part::test, predictions);
}

}  // namespace

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
  line.add(evaluate_command());
  line.add(predict_command());
  line.add(export_command());
  line.add(serve_command());
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
  arguments.insert(arguments.end(), {"--device", options.device, "--threads", std::to_string(options.threads)});
  return run(arguments);
}

Evaluation ClassifierProgram::evaluate(const std::string& folder, const std::string& file,
                                       const RunOptions& run) const {
  TrainedModel trained = TrainedModel::load(folder, name_, make_task_(), {}, run.apply());
  return evaluate_on(trained, file);
}

Command ClassifierProgram::train_command() const {
  auto session = std::make_shared<TrainingSession>(name_, make_task_());
  return {.name = "train",
          .description = "Learns from labelled examples and writes a model",
          .declare = [session](OptionTable& options) { session->declare(options); },
          .run = [session](OptionTable& options) { return session->run(options); },
          .ranks = true};
}

Command ClassifierProgram::search_command() const {
  auto search = std::make_shared<HyperSearch>(name_, make_task_);
  return {.name = "search",
          .description = "Trains many models to find the best options, and keeps the best one",
          .declare = [search](OptionTable& options) { search->declare(options); },
          .run = [search](OptionTable& options) { return search->run(options); }};
}

Command ClassifierProgram::evaluate_command() const {
  struct State {
    std::unique_ptr<ClassifierTask> task;
    std::string model;
    std::string data;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  state->task = make_task_();
  return {.name = "evaluate",
          .description = "Tests a model on labelled examples",
          .declare =
              [state](OptionTable& options) {
                options.group("Files");
                options.add("model", &state->model, "folder that train wrote",
                            {.placeholder = "DIR", .required = true, .configuration = false});
                options.add("data", &state->data, "labelled examples",
                            {.placeholder = "FILE", .required = true, .configuration = false});
                state->task->declare_data(options);
                state->run.declare(options);
              },
          .run =
              [state, program = name_](OptionTable& options) {
                const Device device = state->run.apply();
                TrainedModel trained =
                    TrainedModel::load(state->model, program, std::move(state->task), options, device);
                const Evaluation evaluation = evaluate_on(trained, state->data);
                if (!state->run.quiet) print_evaluation(evaluation, trained.task->labels(), trained.task->noun());
                if (state->run.json) {
                  fmt::print("{}\n", to_json(evaluation, trained.decision.costs()));
                }
                return ExitStatus::success;
              }};
}

Command ClassifierProgram::predict_command() const {
  struct State {
    std::string model;
    PredictionOptions prediction;
    std::vector<std::string> inputs;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  std::string input = make_task_()->input_kind();
  for (char& c : input) c = static_cast<char>(std::toupper(c));
  return {.name = "predict",
          .description = "Tells the classes of new examples: of the arguments, else of the lines of standard input",
          .declare =
              [state, input](OptionTable& options) {
                options.add(input, &state->inputs, "what to classify", {.positional = true, .configuration = false});
                options.group("Files");
                options.add("model", &state->model, "folder that train wrote",
                            {.placeholder = "DIR", .required = true, .configuration = false});
                options.group("Output");
                options.add("explain", &state->prediction.explain, "show what the model looked at",
                            {.configuration = false});
                state->run.declare(options);
              },
          .run =
              [state, program = name_, make_task = make_task_](OptionTable&) {
                TrainedModel trained = TrainedModel::load(state->model, program, make_task(), {}, state->run.apply());
                state->prediction.json = state->run.json;
                if (state->inputs.empty()) {
                  predict_lines(trained, state->prediction);
                } else {
                  predict_inputs(trained, state->inputs, state->prediction);
                }
                return ExitStatus::success;
              }};
}

Command ClassifierProgram::export_command() const {
  struct State {
    std::string model, onnx, data, int8;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  return {.name = "export",
          .description = "Writes a model for other programs",
          .declare =
              [state](OptionTable& options) {
                options.group("Files");
                options.add("model", &state->model, "folder that train wrote",
                            {.placeholder = "DIR", .required = true, .configuration = false});
                options.add("onnx", &state->onnx, "write the model as ONNX, opset 17",
                            {.placeholder = "FILE", .configuration = false});
                options.add("data", &state->data,
                            "labelled examples; inputs and probabilities of the first ones are written beside the ONNX "
                            "file, to test other runtimes with",
                            {.placeholder = "FILE", .configuration = false});
                options.add("int8", &state->int8,
                            "write a folder as train's with weights in 8 bits, which evaluate and predict take",
                            {.placeholder = "DIR", .configuration = false});
                state->run.declare(options);
              },
          .run =
              [state, program = name_, make_task = make_task_](OptionTable&) {
                if (state->onnx.empty() && state->int8.empty()) refuse("export needs --onnx FILE or --int8 DIR");
                if (state->onnx.empty() && !state->data.empty()) refuse("--data is of no use without --onnx");
                TrainedModel trained = TrainedModel::load(state->model, program, make_task(), {}, state->run.apply());
                nlohmann::ordered_json bytes;
                const auto tell = [&](const char* what, const Exported& written) {
                  bytes[what] = written.bytes;
                  for (const std::string& line : written.lines) {
                    if (!state->run.quiet) fmt::print("{}\n", line);
                  }
                };
                if (!state->onnx.empty()) {
                  tell("onnx_bytes", export_onnx(state->model, program, trained, state->onnx, state->data));
                }
                if (!state->int8.empty()) {
                  tell("int8_bytes", export_int8(state->model, program, trained, state->int8));
                }
                if (state->run.json) fmt::print("{}\n", bytes.dump());
                return ExitStatus::success;
              }};
}

Command ClassifierProgram::serve_command() const {
  struct State {
    std::string model;
    ServingOptions serving;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  return {.name = "serve",
          .description = "Predicts over HTTP: POST /predict, GET /model, GET /health",
          .declare =
              [state](OptionTable& options) {
                options.group("Files");
                options.add("model", &state->model, "folder that train wrote",
                            {.placeholder = "DIR", .required = true, .configuration = false});
                state->serving.declare(options);
                state->run.declare(options);
              },
          .run =
              [state, program = name_, make_task = make_task_](OptionTable&) {
                TrainedModel trained = TrainedModel::load(state->model, program, make_task(), {}, state->run.apply());
                const ServingCounts counts = serve(trained, program, state->serving, state->run);
                if (!state->run.quiet) {
                  fmt::print("stopped after {} requests with {} inputs in {} batches\n", counts.requests, counts.inputs,
                             counts.batches);
                }
                if (state->run.json) fmt::print("{}\n", counts.to_json());
                return ExitStatus::success;
              }};
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
          .run = [state, this](OptionTable&) { return demo_(*this, state->out, state->run); }};
}

}  // namespace fovea::train
