// Classifies pictures: `image_classifier --help` tells how. The model stands in model.cpp; reading, training, saving and
// showing are the library's.

#include "demo.h"
#include "model.h"

using namespace fovea;

class ImageClassifier final : public train::ImageTask {
 public:
  ImageClassifier() { image().augment = {.shift = 0.07, .rotate = 10, .scale = 0.1}; }

  void declare_model(train::OptionTable& options) override {
    model_.declare(options);
    ImageTask::declare_model(options);
  }

  void set_defaults(train::TrainingOptions& training) const override {
    training.batch_size = 64;
    training.epochs = 12;
    training.lr = 5e-3;
    training.warmup = 0.1;
    training.dropout = 0.2;
    // Of a few hundred pictures held out, which epoch they find best is luck; the last has the least learning rate.
    training.keep = "last";
    training.patience = 0;
  }
  void settle(const train::OptionTable& options, train::TrainingOptions& training) override {
    model_.refuse_unused();
    if (model_.encoder == "transformer" && !options.given("lr")) training.lr = 2e-3;
    model_.dropout = training.dropout;
  }

 protected:
  std::unique_ptr<nn::Module> make_model(const data::ImageForm& form, int64_t classes) override {
    return std::make_unique<ImageModel>(model_, form, classes);
  }
  train::ImageOutput forward(const nn::Module& model, const Tensor& images) const override {
    return static_cast<const ImageModel&>(model).forward(images);
  }
  onnx::Value emit(const nn::Module& model, const onnx::Value& images) const override {
    return static_cast<const ImageModel&>(model).emit(images);
  }

 private:
  ModelOptions model_;
};

int main(int argc, char** argv) {
  train::ClassifierProgram program("image_classifier", "Learns to classify pictures, and shows where it looks.",
                                   [] { return std::make_unique<ImageClassifier>(); });
  program.set_demo("Trains on shapes that it draws itself, in under a minute", run_demo);
  return program.run(argc, argv);
}
