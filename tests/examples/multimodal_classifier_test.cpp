#include <fmt/format.h>

#include "examples/exports.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

Finished classify_offers(const Words& arguments) { return run(MULTIMODAL_CLASSIFIER, arguments); }

class MultimodalClassifier : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return with({"train", "--train", train, "--out", folder / out, "--text", "note", "--dim", "16", "--heads", "2",
                 "--batch-size", "16", "--lr", "0.01", "--threads", "1", "--quiet"},
                flags);
  }

  TempFolder folder;
  std::string train = folder.write("train.csv", rows(300, 1, true)),
              other = folder.write("test.csv", rows(100, 2, true));
};

TEST_F(MultimodalClassifier, SavesExplainsAndSeesWhatItIsToldTo) {
  for (const char* use : {"both", "text", "columns"}) {
    ASSERT_EQ(classify_offers(train_into(use, {"--use", use, "--epochs", "2"})).status, 0);
    EXPECT_EQ(classify_offers({"evaluate", "--model", folder / use, "--data", other, "--quiet"}).status, 0);
    const Finished told = classify_offers({"predict", "--model", folder / use, "--explain", "--json",
                                           "0.5,0.5,\"it is red, they say\",-,3", R"({"x": 1, "note": "blue"})"});
    ASSERT_EQ(told.status, 0) << told.error;
    const Json first = Json::parse(told.out.substr(0, told.out.find('\n')));
    double sum = 0;
    for (const Json& token : first["tokens"]) sum += token["weight"].get<double>();
    EXPECT_NEAR(sum, 1, 1e-3);
    EXPECT_EQ(first["tokens"][0]["token"], "x=0.5");
    EXPECT_EQ(first["tokens"][6]["token"], "red");
    EXPECT_EQ(first["tokens"][0]["weight"] == 0.0, std::string(use) == "text");
    EXPECT_EQ(first["tokens"][6]["weight"] == 0.0, std::string(use) == "columns");
    EXPECT_THAT(read_back(folder / (std::string(use) + "/report.html")), HasSubstr("Deletion test"));
  }
}

TEST_F(MultimodalClassifier, ABadInputIsOneLineAndLeavesNothingBehind) {
  const auto error = [&](const std::string& content, const Words& flags) {
    const std::string path = folder.write("bad.csv", content);
    const Finished done = classify_offers(with({"train", "--train", path, "--out", folder / "nothing"}, flags));
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
    EXPECT_FALSE(std::filesystem::exists(folder / "nothing"));
    return done.error;
  };
  EXPECT_THAT(error("x,class\n1,a\n2,b\n", {}), HasSubstr("bad.csv: no column \"text\"; it has \"x\", \"class\""));
  EXPECT_THAT(error("x,text,class\n1,t,a\n2,b\n", {}), HasSubstr("bad.csv:3: 2 columns, expected 3"));
  EXPECT_THAT(error("text,class\nt,a\nt,b\n", {}), HasSubstr("bad.csv: no column is left to learn from"));
  EXPECT_THAT(error("x,text,class\n1,t,a\n2,t,b\n", {"--heads", "3"}), HasSubstr("no even multiple of --heads 3"));
}

TEST_F(MultimodalClassifier, DemoNeedsBothTextAndColumns) {
  const Finished done =
      classify_offers({"demo", "--out", folder / "demo", "--device", "cpu", "--threads", "2", "--quiet", "--json"});
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '\n'), 1) << done.out;
  const Json accuracy = last_line(done.out);
  EXPECT_GT(accuracy["both"], accuracy["text"].get<double>() + 0.2);
  EXPECT_GT(accuracy["both"], accuracy["columns"].get<double>() + 0.2);
  const std::string model = folder / "demo/both", test = folder / "demo/test.csv";
  // Its rows hold 32 numbers and less: a scale is an eighth of such a row.
  expect_as_good_in_8_bits(MULTIMODAL_CLASSIFIER, model, test);
  if (!runs_elsewhere(MULTIMODAL_CLASSIFIER, model, test)) GTEST_SKIP() << no_runtime;
}

}  // namespace
}  // namespace fovea::test
