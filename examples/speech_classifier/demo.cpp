#include "demo.h"

#include <filesystem>

#include "fovea/train/demo.h"
#include "melodies.h"

using namespace fovea;

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  constexpr int64_t training_melodies = 900, test_melodies = 300;
  const std::filesystem::path root(folder);
  const std::string train = root / "train", test = root / "test", model = root / "model";
  write_melodies(train, training_melodies, 1);
  write_melodies(test, test_melodies, 2);
  const auto outcome = [&] {
    const double accuracy = program.evaluate(model, test, run).confusion.accuracy();
    return train::DemoOutcome{fmt::format("on {} test melodies: accuracy {:.3f}", test_melodies, accuracy),
                              {{"accuracy", accuracy}}};
  };
  return train::run_demo(
      program, run,
      {.data = fmt::format("{} melodies in {}, {} more in {}\n", training_melodies, train, test_melodies, test),
       .training = {{"train", "--train", train, "--out", model, "--epochs", "6"}},
       .prediction = {"predict", "--model", model, "--explain", root / "test" / "trill_0004.wav"},
       .outcome = outcome,
       .looks = "see what the model hears",
       .model = model});
}
