// Classifies texts: `text_classifier --help` tells how. The model stands in model.cpp and encoder.cpp; reading,
// training, saving and showing are the library's.

#include "demo.h"
#include "model.h"

using namespace fovea;

class TextClassifier final : public train::TextTask {
 public:
  void declare_model(train::OptionTable& options) override {
    model_.declare(options);
    TextTask::declare_model(options);
  }

  void settle(const train::OptionTable& options, train::TrainingOptions& training) override {
    TextTask::settle(options, training);
    model_.settle(options, training, text());
  }

 protected:
  std::unique_ptr<nn::Module> make_model(int64_t ids, int64_t classes) override {
    model_.max_length = text().max_length;
    return std::make_unique<TextModel>(model_, ids, classes);
  }
  train::TextOutput forward(const nn::Module& model, const train::TextBatch& batch) const override {
    return static_cast<const TextModel&>(model).forward(batch);
  }
  onnx::Value emit(const nn::Module& model, const train::TextInputs& inputs) const override {
    return static_cast<const TextModel&>(model).emit(inputs);
  }
  train::TextLayout layout() const override { return model_.layout(); }

 private:
  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("text_classifier", "Learns to classify texts, and shows what it looks at.",
                                   [] { return std::make_unique<TextClassifier>(); });
  program.set_demo("Trains on reviews that it makes itself, in under a minute", run_demo);
  return program.run(argc, argv);
}
