#include "demo.h"

#include <filesystem>

#include "fovea/train/run_identity.h"
#include "melodies.h"

using namespace fovea;

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  constexpr int64_t training_melodies = 900, test_melodies = 300;
  train::prepare_folder(folder);
  const std::filesystem::path root(folder);
  const std::string train = root / "train", test = root / "test", model = root / "model";
  write_melodies(train, training_melodies, 1);
  write_melodies(test, test_melodies, 2);
  if (!run.quiet) {
    fmt::print("{} melodies in {}, {} more in {}\n", training_melodies, train, test_melodies, test);
  }
  int status = program.show({"train", "--train", train, "--out", model, "--epochs", "6"}, run);
  if (status != 0) return status;
  if (!run.quiet) {
    status = program.show({"predict", "--model", model, "--explain", root / "test" / "trill_0004.wav"}, run);
    if (status != 0) return status;
  }
  const double accuracy = program.evaluate(model, test, run).confusion.accuracy();
  fmt::print("\non {} test melodies: accuracy {:.3f}\n", test_melodies, accuracy);
  fmt::print("see what the model hears: {}\n", (std::filesystem::path(model) / "report.html").string());
  if (run.json) fmt::print("{{\"accuracy\": {:.4f}}}\n", accuracy);
  return status;
}
