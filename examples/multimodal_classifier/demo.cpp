#include "demo.h"

#include <array>
#include <filesystem>

#include "fovea/train/run_identity.h"
#include "offers.h"

using namespace fovea;

namespace {

constexpr int64_t training_offers = 3000, test_offers = 1000;

}  // namespace

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  const std::filesystem::path root(folder);
  train::prepare_folder(folder);
  const std::string train = root / "train.csv", test = root / "test.csv";
  data::write_atomically(train, to_csv(make_offers(training_offers, 1)));
  data::write_atomically(test, to_csv(make_offers(test_offers, 2)));
  if (!run.quiet) {
    fmt::print("{} offers in {}, {} more in {}, such as\n{}", training_offers, train, test_offers, test,
               to_csv(make_offers(4, 1)));
  }

  constexpr std::array uses{"text", "columns", "both"};
  std::array<double, 3> accuracy{};
  for (size_t i = 0; i < uses.size(); ++i) {
    const std::string out = root / uses[i];
    const int status = program.show(
        {"train", "--train", train, "--out", out, "--use", uses[i], "--epochs", "8", "--dim", "32", "--lr", "0.005"},
        run);
    if (status != 0) return status;
    accuracy[i] = program.evaluate(out, test, run).confusion.accuracy();
  }
  const std::string model = root / "both";
  if (!run.quiet) {
    const int status =
        program.show({"predict", "--model", model, "--explain", "650,12,used,a car of which I took good care",
                      "8000,3,new,\"a bicycle, light and fast\""},
                     run);
    if (status != 0) return status;
  }
  fmt::print("\non {} test offers: text {:.3f}, columns {:.3f}, both {:.3f}\n", test_offers, accuracy[0], accuracy[1],
             accuracy[2]);
  fmt::print("see what the model looks at: {}\n", (std::filesystem::path(model) / "report.html").string());
  if (run.json) {
    fmt::print("{{\"text\": {:.4f}, \"columns\": {:.4f}, \"both\": {:.4f}}}\n", accuracy[0], accuracy[1], accuracy[2]);
  }
  return 0;
}
