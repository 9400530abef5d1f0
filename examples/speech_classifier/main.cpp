// Classifies recordings: `speech_classifier --help` tells how. The model stands in model.cpp; reading, training, saving
// and showing are the library's.

#include "demo.h"
#include "model.h"

using namespace fovea;

class SpeechClassifier final : public train::SpeechTask {
 public:
  SpeechClassifier() {
    speech().augment = {.shift = 0.03, .noise = 0.1, .frequency_masks = 1, .time_masks = 1, .time_width = 0.1};
  }

  void declare_model(train::OptionTable& options) override {
    model_.declare(options);
    SpeechTask::declare_model(options);
  }

  void set_defaults(train::TrainingOptions& training) const override {
    training.epochs = 30;
    training.lr = 5e-3;
    training.warmup = 0.1;
    training.dropout = 0.2;
    training.patience = 0;
  }
  void settle(const train::OptionTable& options, train::TrainingOptions& training) override {
    SpeechTask::settle(options, training);
    if (model_.kernel % 2 == 0) train::refuse("--kernel {} is not odd", model_.kernel);
    if (model_.encoder == "gru" && model_.hidden % 2 != 0) train::refuse("--hidden {} is not even", model_.hidden);
    model_.dropout = training.dropout;
  }

 protected:
  std::unique_ptr<nn::Module> make_model(int64_t bins, int64_t classes) override {
    return std::make_unique<SpeechModel>(model_, bins, classes);
  }
  train::SpeechOutput forward(const nn::Module& model, const data::SpeechBatch& batch) const override {
    return static_cast<const SpeechModel&>(model).forward(batch);
  }
  onnx::Value emit(const nn::Module& model, const train::SpeechInputs& inputs) const override {
    return static_cast<const SpeechModel&>(model).emit(inputs);
  }

 private:
  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("speech_classifier", "Learns to classify recordings, and shows what it hears.",
                                   [] { return std::make_unique<SpeechClassifier>(); });
  program.set_demo("Trains on melodies that it plays itself, in under a minute", run_demo);
  return program.run(argc, argv);
}
