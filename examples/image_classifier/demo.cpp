#include "demo.h"

#include <filesystem>

#include "fovea/train/demo.h"
#include "shapes.h"

using namespace fovea;

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  constexpr int64_t training_pictures = 1500, test_pictures = 300;
  const std::filesystem::path root(folder);
  const std::string train = root / "train", test = root / "test", model = root / "model";
  write_pictures(train, training_pictures, 1);
  write_pictures(test, test_pictures, 2);
  const auto outcome = [&] {
    const double accuracy = program.evaluate(model, test, run).confusion.accuracy();
    return train::DemoOutcome{fmt::format("on {} test pictures: accuracy {:.3f}", test_pictures, accuracy),
                              {{"accuracy", accuracy}}};
  };
  return train::run_demo(
      program, run,
      {.data =
           fmt::format("{} pictures of shapes in {}, {} more in {}\n", training_pictures, train, test_pictures, test),
       .training = {{"train", "--train", train, "--out", model, "--epochs", "10", "--batch-size", "32"}},
       .prediction = {"predict", "--model", model, "--explain", root / "test" / "star" / "0004.png"},
       .outcome = outcome,
       .looks = "see where the model looks",
       .model = model});
}
