// Training within --memory.
#include <csignal>
#include <nlohmann/json.hpp>

#include "text_classifier.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

class Budget : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train",       "--train",   file, "--out",      folder / out, "--encoder",
                 "transformer", "--heads",   "4",  "--layers",   "3",          "--embedding",
                 "32",          "--hidden",  "64", "--threads",  "1",          "--batch-size",
                 "32",          "--dropout", "0",  "--patience", "0"} +
           flags;
  }

  TempFolder folder;
  std::string file = folder.write("train.csv", reviews(128, 40));
};

TEST_F(Budget, IsKeptAndLearnsTheSame) {
  const Words flags{"--epochs", "1", "--optimizer", "sgd", "--json"};
  const Finished whole = classify(train_into("whole", flags));
  ASSERT_EQ(whole.status, 0) << whole.error;
  double loss = 0;
  int64_t most_parts = 1;
  bool recomputed = false;
  const auto summary_of = [](const Finished& done) {
    return nlohmann::json::parse(done.out.substr(done.out.rfind("\n{") + 1));
  };
  loss = summary_of(whole)["loss"];
  for (const int kibibytes : {65536, 3072, 1792}) {
    const Finished done = classify(train_into("model", flags + Words{"--memory", std::to_string(kibibytes) + "KiB"}));
    ASSERT_EQ(done.status, 0) << kibibytes << done.error;
    const auto summary = summary_of(done);
    const auto memory = summary["memory"];
    EXPECT_EQ(memory["bytes"], int64_t{kibibytes} << 10);
    EXPECT_LE(memory["peak"], memory["bytes"]) << "the allocator's peak";
    EXPECT_NEAR(summary["loss"].get<double>(), loss, 1e-3) << kibibytes;
    EXPECT_THAT(done.out, HasSubstr("MiB: batches of 32 "));
    most_parts = std::max(most_parts, memory["parts"].get<int64_t>());
    recomputed = recomputed || memory["recompute"].get<bool>();
  }
  EXPECT_GT(most_parts, 1);
  EXPECT_TRUE(recomputed);
}

TEST_F(Budget, ThatIsTooSmallIsRefused) {
  const Finished done = classify(train_into("model", {"--memory", "512KiB"}));
  EXPECT_EQ(done.status, 2);
  EXPECT_THAT(done.error, HasSubstr("text_classifier: "));
  EXPECT_EQ(std::count(done.error.begin(), done.error.end(), '\n'), 1) << done.error;
  EXPECT_THAT(classify(train_into("model", {"--memory", "much"})).error,
              HasSubstr("--memory: \"much\" is no amount of memory such as 512MiB"));
  EXPECT_THAT(classify(train_into("model", {"--memory", "1GiB", "--folds", "3"})).error,
              HasSubstr("--folds does not go with --memory"));
  EXPECT_THAT(classify(train_into("model", {"--memory", "1GiB", "--stream"})).error,
              HasSubstr("--memory needs the texts in memory"));
}

TEST_F(Budget, IsKeptByARunThatGoesOn) {
  const Words flags{"--epochs", "10", "--patience", "0", "--memory", "3MiB"};
  ASSERT_EQ(classify(train_into("whole", flags)).status, 0);
  Program cut(TEXT_CLASSIFIER, train_into("cut", flags));
  for (auto line = cut.line(); line && !line->starts_with("epoch 1/"); line = cut.line()) continue;
  cut.signal(SIGINT);
  ASSERT_EQ(cut.finish().status, 130);
  const Finished resumed = classify(train_into("cut", flags + Words{"--resume"}));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_EQ(read_back(folder / "cut/model.safetensors"), read_back(folder / "whole/model.safetensors"));
}

TEST(TextBudget, CountsWhatLivesBetweenTheEpochs) {
  const TempFolder folder;
  std::string csv = "label,text\n";
  for (int i = 0; i < 200; ++i) {
    csv += i % 2 ? "good," : "bad,";
    for (int k = 0; k < 60; ++k) csv += fmt::format("w{} ", (60 * i + k) % 1800);
    csv += '\n';
  }
  const std::string data = folder.write("train.csv", csv);
  for (const char* memory : {"2600000", "3000000", "3300000"}) {
    const Finished done =
        classify({"train", "--train", data, "--out", folder / "model", "--encoder", "gru", "--embedding", "32",
                  "--hidden", "32", "--epochs", "1", "--threads", "1", "--memory", memory});
    EXPECT_EQ(done.status, 0) << memory << ": " << done.error;
  }
  const Finished tiny = classify({"train", "--train", data, "--out", folder / "out", "--memory", "64KiB"});
  EXPECT_EQ(tiny.status, 2);
  EXPECT_THAT(tiny.error, testing::HasSubstr("--memory 64 KiB: not even one example at a time fits ("));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace fovea::test
