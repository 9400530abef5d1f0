#include "demo.h"

#include <filesystem>

#include "fovea/train/run_identity.h"
#include "patients.h"

using namespace fovea;

namespace {

constexpr int64_t training_patients = 2000, test_patients = 1000;

}  // namespace

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  const std::filesystem::path root(folder);
  train::prepare_folder(folder);
  const std::string train = root / "train.csv", test = root / "test.csv", costs = root / "costs.csv";
  const std::string plain = root / "plain", careful = root / "careful";
  data::write_atomically(train, to_csv(make_patients(training_patients, 1)));
  data::write_atomically(test, to_csv(make_patients(test_patients, 2)));
  data::write_atomically(costs, "truth,healthy,ill\nhealthy,0,1\nill,6,0\n");
  if (!run.quiet) {
    fmt::print("{} patients in {}, {} more in {}; to send an ill one home costs six times a needless examination\n{}",
               training_patients, train, test_patients, test, to_csv(make_patients(4, 1)));
  }

  const std::vector<std::string> settings{"--epochs", "12", "--batch-size", "64", "--lr", "0.004"};
  const auto train_with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    return program.show(arguments, run);
  };
  int status = train_with({"train", "--train", train, "--out", plain, "--folds", "3"});
  if (status == 0) status = train_with({"train", "--train", train, "--out", careful, "--costs", costs});
  if (status != 0) return status;
  if (!run.quiet) {
    status = program.show({"predict", "--model", careful, "--explain", "61,F,38.9,,190,no",
                           R"({"age": 24, "sex": "M", "temperature": 36.8, "crp": 3, "smoker": "no"})"},
                          run);
    if (status != 0) return status;
  }

  const train::Evaluation usual = program.evaluate(plain, test, run), wary = program.evaluate(careful, test, run);
  const train::CostMatrix matrix = train::CostMatrix::load(costs, data::Labels::in_order({"healthy", "ill"}));
  fmt::print("\non {} test patients: accuracy {:.3f}, ROC AUC {:.3f}, cost {:.3f}; deciding by costs: {:.3f}\n",
             test_patients, usual.confusion.accuracy(), usual.probabilities.roc_auc, matrix.mean(usual.confusion),
             matrix.mean(wary.confusion));
  fmt::print("see which columns the model looks at: {}\n", (std::filesystem::path(careful) / "report.html").string());
  if (run.json) {
    fmt::print("{{\"accuracy\": {:.4f}, \"roc_auc\": {:.4f}, \"cost\": {:.4f}, \"cost_with_costs\": {:.4f}}}\n",
               usual.confusion.accuracy(), usual.probabilities.roc_auc, matrix.mean(usual.confusion),
               matrix.mean(wary.confusion));
  }
  return status;
}
