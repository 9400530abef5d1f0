#include "demo.h"

#include <filesystem>

#include "fovea/train/run_identity.h"
#include "shapes.h"

using namespace fovea;

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  constexpr int64_t training_pictures = 1500, test_pictures = 300;
  train::prepare_folder(folder);
  const std::filesystem::path root(folder);
  const std::string train = root / "train", test = root / "test", model = root / "model";
  write_pictures(train, training_pictures, 1);
  write_pictures(test, test_pictures, 2);
  if (!run.quiet) {
    fmt::print("{} pictures of shapes in {}, {} more in {}\n", training_pictures, train, test_pictures, test);
  }
  int status = program.show({"train", "--train", train, "--out", model, "--epochs", "10", "--batch-size", "32"}, run);
  if (status != 0) return status;
  if (!run.quiet) {
    status = program.show({"predict", "--model", model, "--explain", root / "test" / "star" / "0004.png"}, run);
    if (status != 0) return status;
  }
  const double accuracy = program.evaluate(model, test, run).confusion.accuracy();
  fmt::print("\non {} test pictures: accuracy {:.3f}\n", test_pictures, accuracy);
  fmt::print("see where the model looks: {}\n", (std::filesystem::path(model) / "report.html").string());
  if (run.json) fmt::print("{{\"accuracy\": {:.4f}}}\n", accuracy);
  return status;
}
