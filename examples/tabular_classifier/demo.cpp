#include "demo.h"

#include <filesystem>

#include "fovea/train/demo.h"
#include "patients.h"

using namespace fovea;

namespace {

constexpr int64_t training_patients = 2000, test_patients = 1000;

}  // namespace

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  const std::filesystem::path root(folder);
  const std::string train = root / "train.csv", test = root / "test.csv", costs = root / "costs.csv";
  const std::string plain = root / "plain", careful = root / "careful";
  data::write_atomically(train, to_csv(make_patients(training_patients, 1)));
  data::write_atomically(test, to_csv(make_patients(test_patients, 2)));
  data::write_atomically(costs, "truth,healthy,ill\nhealthy,0,1\nill,6,0\n");

  const auto train_with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"train", "--train", train});
    arguments.insert(arguments.end(), {"--epochs", "12", "--batch-size", "64", "--lr", "0.004"});
    return arguments;
  };
  const auto outcome = [&] {
    const train::Evaluation usual = program.evaluate(plain, test, run), wary = program.evaluate(careful, test, run);
    const train::CostMatrix matrix = train::CostMatrix::load(costs, data::Labels::in_order({"healthy", "ill"}));
    const double accuracy = usual.confusion.accuracy(), roc_auc = usual.probabilities.roc_auc;
    const double cost = matrix.mean(usual.confusion), with_costs = matrix.mean(wary.confusion);
    return train::DemoOutcome{
        fmt::format("on {} test patients: accuracy {:.3f}, ROC AUC {:.3f}, cost {:.3f}; deciding by costs: {:.3f}",
                    test_patients, accuracy, roc_auc, cost, with_costs),
        {{"accuracy", accuracy}, {"roc_auc", roc_auc}, {"cost", cost}, {"cost_with_costs", with_costs}}};
  };
  return train::run_demo(
      program, run,
      {.data = fmt::format(
           "{} patients in {}, {} more in {}; to send an ill one home costs six times a needless examination\n{}",
           training_patients, train, test_patients, test, to_csv(make_patients(4, 1))),
       .training = {train_with({"--out", plain, "--folds", "3"}), train_with({"--out", careful, "--costs", costs})},
       .prediction = {"predict", "--model", careful, "--explain", "61,F,38.9,,190,no",
                      R"({"age": 24, "sex": "M", "temperature": 36.8, "crp": 3, "smoker": "no"})"},
       .outcome = outcome,
       .looks = "see which columns the model looks at",
       .model = careful});
}
