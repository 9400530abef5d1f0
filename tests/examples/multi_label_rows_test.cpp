// Rows of tables that have any number of labels.
#include "exports.h"
#include "multi_label.h"
#include "refusal.h"

namespace fovea::test {
namespace {

/// The trainers of tables.
class MultiLabelRows : public testing::TestWithParam<bool> {};

TEST_P(MultiLabelRows, AreLearned) {
  const bool with_text = GetParam();
  const std::string program = with_text ? MULTIMODAL_CLASSIFIER : TABULAR_CLASSIFIER;
  const TempFolder folder;
  const std::string train = folder.write("train.csv", labelled_rows(400, 1, with_text)), model = folder / "model";
  const std::string test = folder.write("test.csv", labelled_rows(100, 2, with_text));
  Words flags{"--multi-label",
              "--label-separator",
              "|",
              "--label",
              "class",
              "--dim",
              "16",
              "--heads",
              "2",
              "--batch-size",
              "16",
              "--lr",
              "0.01",
              "--epochs",
              "12",
              "--threads",
              "1"};
  if (with_text) flags = flags + Words{"--text", "note"};
  const Finished trained = run(program, Words{"train", "--train", train, "--out", model} + flags);
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Finished evaluated = run(program, {"evaluate", "--model", model, "--data", test, "--json"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_GT(last_line(evaluated.out)["micro_f1"], 0.9);
  const std::string row = with_text ? R"({"x":0.8,"y":-0.9,"note":"the paint is red"})" : R"({"x":0.8,"y":-0.9})";
  const Finished predicted = run(program, {"predict", "--model", model, "--json", "--explain", row});
  ASSERT_EQ(predicted.status, 0) << predicted.error;
  const Json object = last_line(predicted.out);
  EXPECT_EQ(object["labels"], with_text ? (Json{"red", "right"}) : Json{"right"});
  EXPECT_EQ(object["explanations"].size(), object["labels"].size());
  const std::string wrong = folder.write("wrong.csv", with_text ? "x,y,note,class\n1,1,red,up\n1,1,red,right|down\n"
                                                                : "x,y,class\n1,1,up\n1,1,right|down\n");
  expect_refused(program, {"evaluate", "--model", model, "--data", wrong}, wrong + ":3: unknown label \"down\"",
                 folder / "");
  if (!runs_elsewhere(program, model, test, with_text)) GTEST_SKIP() << no_runtime;
}

INSTANTIATE_TEST_SUITE_P(Tables, MultiLabelRows, testing::Bool(),
                         [](const auto& info) { return info.param ? "WithText" : "Alone"; });

}  // namespace
}  // namespace fovea::test
