#include "demo.h"

#include <filesystem>

#include "fovea/train/demo.h"
#include "reviews.h"

using namespace fovea;

namespace {

constexpr int64_t training_reviews = 4000, test_reviews = 1000;

}  // namespace

int run_demo(const train::ClassifierProgram& program, const std::string& folder, const train::RunOptions& run) {
  const std::filesystem::path root(folder);
  const std::string train = root / "train.csv", test = root / "test.csv";
  const std::string bag = root / "bag", attention = root / "attention";
  data::write_atomically(train, to_csv(make_reviews(training_reviews, 1)));
  data::write_atomically(test, to_csv(make_reviews(test_reviews, 2)));
  std::string made = fmt::format("{} English and Chinese reviews in {}, {} more in {}, such as\n", training_reviews,
                                 train, test_reviews, test);
  for (const Review& review : make_reviews(4, 1)) made += fmt::format("  {:4}  {}\n", review.label, review.text);

  const auto outcome = [&] {
    const double with_bag = program.evaluate(bag, test, run).confusion.accuracy();
    const double with_attention = program.evaluate(attention, test, run).confusion.accuracy();
    return train::DemoOutcome{fmt::format("on {} test reviews: bag of words {:.3f}, attention {:.3f}", test_reviews,
                                          with_bag, with_attention),
                              {{"bag", with_bag}, {"attention", with_attention}}};
  };
  return train::run_demo(
      program, run,
      {.data = made,
       .training = {{"train", "--train", train, "--encoder", "bag", "--bigrams", "--out", bag},
                    {"train", "--train", train, "--hidden", "64", "--out", attention}},
       .prediction = {"predict", "--model", attention, "--explain",
                      "I would not, to be quite honest, call the room wonderful, the guide book calls the pool great.",
                      "nobody in our family thought that the staff was awful.",
                      "朋友告诉我那里的早餐特别糟糕，我可以说服务从第一天起就周到。",
                      "我不觉得这家酒店的房间确实让人感到干净。"},
       .outcome = outcome,
       .looks = "see what the model looks at",
       .model = attention});
}
