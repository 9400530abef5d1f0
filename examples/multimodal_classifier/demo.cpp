#include "demo.h"

#include <array>
#include <filesystem>

#include "fovea/train/demo.h"
#include "offers.h"

using namespace fovea;

namespace {

constexpr int64_t training_offers = 3000, test_offers = 1000;

}  // namespace

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  const std::filesystem::path root(folder);
  const std::string train = root / "train.csv", test = root / "test.csv", model = root / "both";
  data::write_atomically(train, to_csv(make_offers(training_offers, 1)));
  data::write_atomically(test, to_csv(make_offers(test_offers, 2)));

  constexpr std::array uses{"text", "columns", "both"};
  std::vector<std::vector<std::string>> training;
  for (const char* use : uses) {
    training.push_back({"train", "--train", train, "--out", root / use, "--use", use, "--epochs", "8", "--dim", "32",
                        "--lr", "0.005"});
  }
  const auto outcome = [&] {
    std::vector<std::pair<std::string, double>> accuracy;
    for (const char* use : uses) {
      accuracy.emplace_back(use, program.evaluate(root / use, test, run).confusion.accuracy());
    }
    return train::DemoOutcome{fmt::format("on {} test offers: text {:.3f}, columns {:.3f}, both {:.3f}", test_offers,
                                          accuracy[0].second, accuracy[1].second, accuracy[2].second),
                              accuracy};
  };
  return train::run_demo(
      program, run,
      {.data = fmt::format("{} offers in {}, {} more in {}, such as\n{}", training_offers, train, test_offers, test,
                           to_csv(make_offers(4, 1))),
       .training = training,
       .prediction = {"predict", "--model", model, "--explain", "650,12,used,a car of which I took good care",
                      "8000,3,new,\"a bicycle, light and fast\""},
       .outcome = outcome,
       .looks = "see what the model looks at",
       .model = model});
}
