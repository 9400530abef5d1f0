// The same seed ends in the same bytes: with any number of threads, and however often the run was cut.
#include <csignal>

#include "text_classifier.h"

namespace fovea::test {
namespace {

class InterruptionTest : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train", file, "--out", folder / out} + small + Words{"--epochs", "6", "--patience", "0"} +
           flags;
  }
  std::string weights(const std::string& out) const { return read_back(folder / (out + "/model.safetensors")); }
  bool is_there(const std::string& name) const { return std::filesystem::exists(folder / name); }

  TempFolder folder;
  std::string file = folder.write("train.csv", reviews(800));
};

TEST_F(InterruptionTest, ThreadsDoNotChangeAByte) {
  const std::string longer = folder.write("longer.csv", reviews(64, 30));
  for (const Words& model :
       {Words{}, Words{"--encoder", "lstm", "--attention", "scaled_dot"}, Words{"--encoder", "bag", "--bigrams"}}) {
    for (const char* threads : {"1", "2"}) {
      const Finished done = classify(
          Words{"train", "--train", longer, "--out", folder / threads, "--epochs", "1", "--threads", threads} + model);
      ASSERT_EQ(done.status, 0) << done.error;
    }
    EXPECT_EQ(weights("1"), weights("2")) << testing::PrintToString(model);
  }
}

TEST_F(InterruptionTest, ControlCSavesAndResumingEndsInTheSameBytes) {
  ASSERT_EQ(classify(train_into("whole")).status, 0);

  Program cut(TEXT_CLASSIFIER, train_into("cut"));
  for (auto line = cut.line(); line && line->rfind("epoch 1/", 0) != 0; line = cut.line()) continue;
  cut.signal(SIGINT);
  const Finished interrupted = cut.finish();
  EXPECT_EQ(interrupted.status, 130) << interrupted.out;
  EXPECT_EQ(interrupted.error, "");
  EXPECT_TRUE(is_there("cut/checkpoint.safetensors"));
  EXPECT_NE(weights("cut"), weights("whole"));

  const Finished resumed = classify(train_into("cut", {"--resume"}));
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_THAT(resumed.out, testing::HasSubstr("going on behind step"));
  EXPECT_EQ(weights("cut"), weights("whole"));
  EXPECT_FALSE(is_there("cut/checkpoint.safetensors"));
}

TEST_F(InterruptionTest, ARunWhoseReaderIsGoneLearnsToItsEndAndSaysSo) {
  ASSERT_EQ(classify(train_into("whole")).status, 0);
  Program alone(TEXT_CLASSIFIER, train_into("alone"));
  ASSERT_TRUE(alone.line());
  alone.stop_reading();
  const Finished done = alone.finish();
  EXPECT_EQ(done.status, 2);
  EXPECT_EQ(done.error, "standard output cannot be written\n");
  EXPECT_EQ(weights("alone"), weights("whole"));
  EXPECT_TRUE(is_there("alone/report.html"));
  EXPECT_FALSE(is_there("alone/checkpoint.safetensors"));

  // What makes nothing but output ends with its reader.
  std::string lines;
  for (int i = 0; i < 20000; ++i) lines += "a good film\n";
  Program predicts(TEXT_CLASSIFIER, {"predict", "--model", folder / "whole"}, lines);
  ASSERT_TRUE(predicts.line());
  predicts.stop_reading();
  const Finished ended = predicts.finish();
  EXPECT_EQ(ended.status, 128 + SIGPIPE);
  EXPECT_EQ(ended.error, "");
}

TEST_F(InterruptionTest, AnotherRunIsNotGoneOnWith) {
  Program cut(TEXT_CLASSIFIER, train_into("cut"));
  for (auto line = cut.line(); line && line->rfind("epoch 1/", 0) != 0; line = cut.line()) continue;
  cut.signal(SIGINT);
  ASSERT_EQ(cut.finish().status, 130);

  const Finished other = classify(train_into("cut", {"--resume", "--lr", "0.5"}));
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.error, testing::HasSubstr("--lr is 0.5"));
  const std::string changed = folder.write("train.csv", reviews(800, 8, 3));
  EXPECT_EQ(classify(train_into("cut", {"--resume"})).status, 2);
  EXPECT_TRUE(is_there("cut/checkpoint.safetensors"));
}

}  // namespace
}  // namespace fovea::test
