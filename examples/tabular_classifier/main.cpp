// Classifies the rows of a table: `tabular_classifier --help` tells how. The model stands in model.cpp; reading, training,
// cross-validation and showing are the library's.

#include "demo.h"
#include "model.h"

using namespace fovea;

class TabularClassifier final : public train::TableTask {
 public:
  void declare_model(train::OptionTable& options) override {
    model_.declare(options);
    TableTask::declare_model(options);
  }

  void set_defaults(train::TrainingOptions& training) const override {
    training.dropout = model_.dropout;
    training.epochs = most_epochs;
    training.epochs_text = fmt::format("{} up to {} training rows, {} from {} on, between them a number in between",
                                       least_epochs, few_rows, most_epochs, many_rows);
    // Of a small table's few rows held out the best epoch is mostly chance; with dropout and a falling learning rate the
    // last one is as good.
    training.patience = 0;
    training.keep = "last";
    training.optimizer = "adamw";
    training.weight_decay = 0.05;
    training.schedule = "cosine";
    training.monitor = "loss";
  }
  void settle(const train::OptionTable&, train::TrainingOptions& training) override {
    if (model_.dim % model_.heads != 0) {
      train::refuse("--dim {} is no multiple of --heads {}", model_.dim, model_.heads);
    }
    model_.dropout = training.dropout;
  }
  /// Later passes over few rows learn their noise: up to `few_rows` there are `least_epochs`, from `many_rows` on
  /// `most_epochs`, in between a number in between.
  void settle_on_data(const train::OptionTable& options, train::TrainingOptions& training) const override {
    if (options.given("epochs")) return;
    const int64_t more = std::clamp(size(train::Part::train), few_rows, many_rows) - few_rows;
    training.epochs = least_epochs + (most_epochs - least_epochs) * more / (many_rows - few_rows);
  }

 protected:
  std::unique_ptr<nn::Module> make_model(const train::TableShape& shape) override {
    return std::make_unique<TableModel>(model_, shape);
  }
  train::TableOutput forward(const nn::Module& model, const train::TableBatch& batch) const override {
    return static_cast<const TableModel&>(model).forward(batch);
  }
  onnx::Value emit(const nn::Module& model, const train::TableInputs& inputs) const override {
    return static_cast<const TableModel&>(model).emit(inputs);
  }

 private:
  static constexpr int64_t least_epochs = 12, most_epochs = 30;
  static constexpr int64_t few_rows = 1000, many_rows = 1600;

  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("tabular_classifier",
                                   "Learns to classify the rows of a table, and shows which columns it looks at.",
                                   [] { return std::make_unique<TabularClassifier>(); });
  program.set_demo("Trains on patients that it makes up, in under a minute", run_demo);
  return program.run(argc, argv);
}
