// Classifies texts that stand beside numbers and categories: `multimodal_classifier --help` tells how. The model stands in
// model.cpp; reading, training and showing are the library's.

#include "demo.h"
#include "model.h"

using namespace fovea;

class MultimodalClassifier final : public train::TableTask {
 public:
  MultimodalClassifier() : TableTask(true) {}

  void declare_model(train::OptionTable& options) override {
    model_.declare(options);
    TableTask::declare_model(options);
  }

  void settle(const train::OptionTable& options, train::TrainingOptions& training) override {
    model_.refuse_unused();
    if (model_.dim % model_.heads != 0 || model_.dim % 2 != 0) {
      train::refuse("--dim {} is no even multiple of --heads {}", model_.dim, model_.heads);
    }
    if (!options.given("dropout")) training.dropout = model_.dropout;
    model_.dropout = training.dropout;
  }

 protected:
  std::unique_ptr<nn::Module> make_model(const train::TableShape& shape) override {
    return std::make_unique<MultimodalModel>(model_, shape);
  }
  train::TableOutput forward(const nn::Module& model, const train::TableBatch& batch) const override {
    return static_cast<const MultimodalModel&>(model).forward(batch);
  }
  onnx::Value emit(const nn::Module& model, const train::TableInputs& inputs) const override {
    return static_cast<const MultimodalModel&>(model).emit(inputs);
  }

 private:
  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("multimodal_classifier",
                                   "Learns to classify texts that stand beside numbers, and shows what it looks at.",
                                   [] { return std::make_unique<MultimodalClassifier>(); });
  program.set_demo("Trains on offers that it makes up, with text, numbers and both, in under a minute", run_demo);
  return program.run(argc, argv);
}
