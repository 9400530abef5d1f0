// Classifies texts: `text_classifier --help` tells how. The model stands in model.cpp; reading, training, saving and
// showing are the library's.

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
    if (model_.is_bag()) {
      const ModelOptions usual;
      const auto refuse_unusual = [](const char* name, const auto& value, const auto& expected) {
        if (value != expected) train::refuse("--{} is of no use to --encoder bag", name);
      };
      refuse_unusual("attention", model_.attention, usual.attention);
      refuse_unusual("weights", model_.weights, usual.weights);
      refuse_unusual("gate", model_.gate, usual.gate);
      refuse_unusual("hidden", model_.hidden, usual.hidden);
      refuse_unusual("layers", model_.layers, usual.layers);
      if (!options.given("embedding")) model_.embedding = 50;
      if (!options.given("lr")) training.lr = 0.05;
      if (!options.given("optimizer")) training.optimizer = "adagrad";
    } else if (text().bigrams) {
      train::refuse("--bigrams goes with --encoder bag only");
    }
    model_.dropout = training.dropout;
  }

 protected:
  std::unique_ptr<nn::Module> make_model(int64_t ids, int64_t classes) override {
    return std::make_unique<TextModel>(model_, ids, classes);
  }
  train::TextOutput forward(const nn::Module& model, const train::TextBatch& batch) const override {
    return static_cast<const TextModel&>(model).forward(batch);
  }
  bool reads_bags() const override { return model_.is_bag(); }

 private:
  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("text_classifier", "Learns to classify texts, and shows what it looks at.",
                                   [] { return std::make_unique<TextClassifier>(); });
  program.set_demo("Trains on reviews that it makes itself, in under a minute", run_demo);
  return program.run(argc, argv);
}
