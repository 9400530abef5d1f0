#include "fovea/train/model_commands.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/train/export.h"
#include "fovea/train/inference.h"
#include "fovea/train/prediction.h"
#include "fovea/train/serving.h"
#include "fovea/train/terminal.h"

namespace fovea::train {
namespace {

constexpr size_t most_printed_classes = 30;

/// A model that a command opened, and how the command runs.
struct OpenModel {
  const std::string& folder;
  const std::string& program;
  TrainedModel trained;
  const RunOptions& run;
};

/// What a command does with a model, and the options that it has beside those of all such commands.
class ModelUse {
 public:
  virtual ~ModelUse() = default;
  virtual void declare(OptionTable& options, ClassifierTask& task) = 0;
  /// Before the model is opened: throws UsageError where options do not go together.
  virtual void check() const {}
  virtual void run(OpenModel& open) = 0;
};

Command model_command(const std::string& program, const MakeTask& make_task, std::string name, std::string description,
                      std::shared_ptr<ModelUse> use) {
  struct State {
    std::unique_ptr<ClassifierTask> task;
    std::string folder;
    RunOptions run;
  };
  auto state = std::make_shared<State>();
  state->task = make_task();
  return {.name = std::move(name),
          .description = std::move(description),
          .declare =
              [state, use](OptionTable& options) {
                options.group("Files");
                options.add("model", &state->folder, "folder that train wrote",
                            {.placeholder = "DIR", .required = true, .configuration = false});
                use->declare(options, *state->task);
                state->run.declare(options);
              },
          .run =
              [state, use, program](OptionTable& options) {
                use->check();
                const Device device = state->run.apply();
                OpenModel open{state->folder, program,
                               TrainedModel::load(state->folder, program, std::move(state->task), options, device),
                               state->run};
                use->run(open);
                return ExitStatus::success;
              }};
}

/// The thresholds, where each label has one of its own.
const LabelThresholds* own_thresholds(const AnyEvaluation& evaluation) {
  const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation);
  return of_labels && !of_labels->thresholds.is_common() ? &of_labels->thresholds : nullptr;
}

void print_evaluation(const AnyEvaluation& evaluation, const ClassifierTask& task) {
  const Scores scores = scores_of(evaluation);
  fmt::print("{}  on {} {}\n", headline(evaluation, true), scores.examples, task.noun());
  if (const std::string note = task.reading_note(); !note.empty()) fmt::print("{}\n", note);
  if (const auto* of_labels = std::get_if<LabelEvaluation>(&evaluation)) {
    const ClassMetrics micro = of_labels->counts.micro();
    fmt::print("precision {:.4f}  recall {:.4f}  label ranking average precision {:.4f}\n", micro.precision,
               micro.recall, of_labels->ranking_precision);
  } else {
    // Of one class alone there is no such area.
    if (!std::isnan(scores.roc_auc)) fmt::print("ROC AUC {:.4f}  ", scores.roc_auc);
    fmt::print("calibration error {:.4f}  Brier score {:.4f}\n", scores.calibration_error, scores.brier);
  }
  const std::vector<ClassMetrics> metrics = by_class(evaluation);
  if (metrics.size() > most_printed_classes) return;
  const LabelThresholds* thresholds = own_thresholds(evaluation);
  fmt::print("\nprecision  recall      F1  examples{}  class\n", thresholds ? "  threshold" : "");
  for (size_t i = 0; i < metrics.size(); ++i) {
    fmt::print("{:9.4f}  {:6.4f}  {:6.4f}  {:8}{}  {}\n", metrics[i].precision, metrics[i].recall, metrics[i].f1,
               metrics[i].support, thresholds ? fmt::format("  {:9.4f}", (*thresholds)[i]) : "",
               in_one_line(task.labels().names()[i]));
  }
}

class Evaluating final : public ModelUse {
 public:
  void declare(OptionTable& options, ClassifierTask& task) override {
    options.add("data", &data_, "labelled examples: " + task.source_help(),
                {.placeholder = "FILE", .required = true, .configuration = false});
    task.declare_data(options);
  }
  void run(OpenModel& open) override {
    const AnyEvaluation evaluation = evaluate_on(open.trained, data_);
    if (!std::isfinite(scores_of(evaluation).loss))
      data::fail(open.folder, "what the model makes of {} is no number", data_);
    const ClassifierTask& task = *open.trained.task;
    if (!open.run.quiet) print_evaluation(evaluation, task);
    if (open.run.json) fmt::print("{}\n", to_json(evaluation, task.labels(), open.trained.decision.costs()));
  }

 private:
  std::string data_;
};

class Predicting final : public ModelUse {
 public:
  void declare(OptionTable& options, ClassifierTask& task) override {
    std::string input = task.input_kind();
    for (char& c : input) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    options.add(input, &inputs_, task.input_help(), {.positional = true, .configuration = false});
    options.group("Output");
    options.add("explain", &prediction_.explain, "show what the model looked at", {.configuration = false});
  }
  void run(OpenModel& open) override {
    prediction_.json = open.run.json;
    if (inputs_.empty()) {
      predict_lines(open.trained, prediction_);
    } else {
      predict_inputs(open.trained, inputs_, prediction_);
    }
  }

 private:
  PredictionOptions prediction_;
  std::vector<std::string> inputs_;
};

class Exporting final : public ModelUse {
 public:
  void declare(OptionTable& options, ClassifierTask& task) override {
    options.add("onnx", &onnx_, "write the model as ONNX, opset 17", {.placeholder = "FILE", .configuration = false});
    options.add(
        "data", &data_,
        "labelled examples; inputs and probabilities of the first ones are written beside the ONNX file, to test "
        "other runtimes with",
        {.placeholder = "FILE", .configuration = false});
    options.add("int8", &int8_, "write a folder as train's with weights in 8 bits, which evaluate and predict take",
                {.placeholder = "DIR", .configuration = false});
    task.declare_data(options);
  }
  void check() const override {
    if (onnx_.empty() && int8_.empty()) refuse("export needs --onnx FILE or --int8 DIR");
    if (onnx_.empty() && !data_.empty()) refuse("--data is of no use without --onnx");
  }
  void run(OpenModel& open) override {
    nlohmann::ordered_json bytes;
    const auto tell = [&](const char* what, const Exported& written) {
      bytes[what] = written.bytes;
      for (const std::string& line : written.lines) {
        if (!open.run.quiet) fmt::print("{}\n", line);
      }
    };
    if (!onnx_.empty()) tell("onnx_bytes", export_onnx(open.folder, open.program, open.trained, onnx_, data_));
    if (!int8_.empty()) tell("int8_bytes", export_int8(open.folder, open.program, open.trained, int8_));
    if (open.run.json) fmt::print("{}\n", bytes.dump());
  }

 private:
  std::string onnx_, data_, int8_;
};

class Serving final : public ModelUse {
 public:
  void declare(OptionTable& options, ClassifierTask&) override { serving_.declare(options); }
  void run(OpenModel& open) override {
    const ServingCounts counts = serve(open.trained, open.program, serving_, open.run);
    if (!open.run.quiet) {
      fmt::print("stopped after {} requests with {} inputs in {} batches\n", counts.requests, counts.inputs,
                 counts.batches);
    }
    if (open.run.json) fmt::print("{}\n", counts.to_json());
  }

 private:
  ServingOptions serving_;
};

}  // namespace

AnyEvaluation evaluate_on(TrainedModel& trained, const std::string& file) {
  trained.task->load_test(file);
  return evaluation_of(*trained.task, Part::test, predictions_of(trained));
}

std::vector<Command> model_commands(const std::string& program, const MakeTask& make_task) {
  const auto command = [&](const char* name, const char* description, std::shared_ptr<ModelUse> use) {
    return model_command(program, make_task, name, description, std::move(use));
  };
  return {command("evaluate", "Tests a model on labelled examples", std::make_shared<Evaluating>()),
          command("predict", "Tells the classes of new examples: of the arguments, else of the lines of standard input",
                  std::make_shared<Predicting>()),
          command("export", "Writes a model for other programs", std::make_shared<Exporting>()),
          command("serve", "Predicts over HTTP: POST /predict, GET /model, GET /health", std::make_shared<Serving>())};
}

}  // namespace fovea::train
