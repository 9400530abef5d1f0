// Training on a file that is read anew in each epoch.
#include <csignal>
#include <fstream>

#include "multi_label.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;

const Words streaming =
    small + Words{"--stream", "--buffer", "200", "--epochs", "4", "--patience", "0", "--save-every", "7"};

class Streaming : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", file, "--out", folder / out} + streaming + flags;
  }
  std::string weights(const std::string& out) const { return read_back(folder / (out + "/model.safetensors")); }

  TempFolder folder;
  std::string file = folder.write("train.csv", reviews(900));
};

TEST_F(Streaming, LearnsAsFromMemory) {
  const std::string test = folder.write("test.csv", reviews(200, 8, 2));
  for (const Words& flags : {Words{"--encoder", "gru", "--lr", "0.02"}, Words{"--encoder", "bag", "--bigrams"},
                             Words{"--tokens", "bpe", "--vocabulary", "300", "--lr", "0.02", "--balance", "weights"}}) {
    Words arguments = train_into("model", {"--epochs", "8"});
    if (flags[1] == "bag") std::erase(arguments, "--hidden");
    if (flags[1] == "bag")
      arguments = {"train", "--train", file, "--out", folder / "model", "--stream", "--epochs", "30"};
    const Finished done = classify(arguments + flags);
    ASSERT_EQ(done.status, 0) << done.error;
    const Finished tested = classify({"evaluate", "--model", folder / "model", "--data", test});
    double accuracy = 0;
    ASSERT_EQ(std::sscanf(tested.out.c_str(), "accuracy %lf", &accuracy), 1) << tested.out << tested.error;
    EXPECT_GT(accuracy, 0.9) << flags[1];
  }
}

TEST_F(Streaming, TheSameBytesWithAnyThreadsAndHoweverOftenItIsCut) {
  ASSERT_EQ(classify(train_into("whole")).status, 0);
  ASSERT_EQ(classify(train_into("threads", {"--threads", "2"})).status, 0);
  EXPECT_EQ(weights("threads"), weights("whole"));
  for (const int epoch : {1, 2, 3}) {
    Program cut(TEXT_CLASSIFIER, train_into("cut", {"--resume"}));
    const std::string ended = "epoch " + std::to_string(epoch) + "/";
    for (auto line = cut.line(); line && line->rfind(ended, 0) != 0; line = cut.line()) continue;
    cut.signal(SIGKILL);
    cut.finish();
  }
  const Finished resumed = classify(train_into("cut", {"--resume"}));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_THAT(resumed.out, HasSubstr("going on behind step"));
  EXPECT_EQ(weights("cut"), weights("whole"));
}

TEST_F(Streaming, ALongerFileTakesNoMoreMemory) {
  const auto peak = [&](int copies) {
    const std::string long_file = folder / "long.csv";
    {
      std::ofstream out(long_file, std::ios::binary);
      const std::string rows = reviews(2000, 40);
      out << rows;
      for (int i = 1; i < copies; ++i) out << rows.substr(rows.find('\n') + 1);
    }
    const Finished done =
        classify(Words{"train",        "--train", long_file,    "--out",    folder / "long", "--encoder", "bag",
                       "--embedding",  "8",       "--stream",   "--buffer", "2000",          "--epochs",  "1",
                       "--batch-size", "64",      "--hold-out", "0.001",    "--threads",     "1"});
    EXPECT_EQ(done.status, 0) << done.error;
    std::filesystem::remove(long_file);
    return done.peak_bytes;
  };
  const size_t short_one = peak(2), long_one = peak(60);  // 0.9 and 26 MB
  EXPECT_LT(long_one, short_one + (size_t{2} << 20)) << (long_one - short_one) / 1024 << " KiB more";
}

TEST_F(Streaming, TextsMayHaveSeveralLabels) {
  const Words several{"--multi-label", "--lr", "0.02", "--epochs", "12"};
  const std::string test = folder.write("test.csv", topics_csv(100, 2, ";"));
  const auto evaluate = [&](const std::string& out) {
    return last_line(
        classify({"evaluate", "--model", folder / out, "--data", test, "--label-separator", ";", "--json"}).out);
  };
  file = folder.write("topics.csv", topics_csv(600, 1, ";"));
  const Words flags = several + Words{"--label-separator", ";", "--balance", "weights", "--threshold", "label_f1"};
  const Finished done = classify(train_into("model", flags));
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_THAT(done.out, HasSubstr("labels from probabilities of their own on, "));
  EXPECT_GT(evaluate("model")["micro_f1"], 0.95);

  // From lists it learns the same; held-out texts may stand in a file, also some with sets of labels that are new.
  const std::string valid = folder.write("valid.jsonl", topics_jsonl(100, 3));
  file =
      folder.write("some.jsonl", topics_jsonl(600) + "{\"label\": [\"fog\", \"sea\"], \"text\": \"mist and wave\"}\n");
  const Words with_valid = several + Words{"--valid", valid};
  ASSERT_EQ(classify(train_into("lists", with_valid)).status, 0);
  EXPECT_GT(evaluate("lists")["micro_f1"], 0.9);
  ASSERT_EQ(classify(train_into("cut", with_valid + Words{"--max-minutes", "1e-6"})).status, 0);
  ASSERT_EQ(classify(train_into("cut", with_valid + Words{"--resume"})).status, 0);
  EXPECT_TRUE(weights("cut") == weights("lists"));

  file = folder.write("wrong.csv", "label,text\n\"sea,sun\",wave\n\"sea,,sun\",wave\n");
  const Finished wrong = classify(train_into("never", several));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.error, HasSubstr("wrong.csv:3: an empty label among those of \"sea,,sun\""));
  EXPECT_FALSE(std::filesystem::exists(folder / "never"));
}

TEST_F(Streaming, RefusesWhatNeedsTheTextsInMemory) {
  for (const auto& [flags, error] : std::vector<std::pair<Words, std::string>>{
           {{"--folds", "3"}, "--folds needs the texts in memory"},
           {{"--balance", "sampling"}, "--balance sampling needs the texts in memory"},
           {{"--hold-out", "0"}, "--stream needs texts to check the model with"}}) {
    const Finished done = classify(train_into("never", flags));
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.error, HasSubstr(error));
    EXPECT_FALSE(std::filesystem::exists(folder / "never"));
  }
}

}  // namespace
}  // namespace fovea::test
