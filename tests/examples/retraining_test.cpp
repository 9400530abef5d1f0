// A folder that holds a model already: what a run that is refused, fails or is over makes of it.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "refusal.h"
#include "text_classifier.h"
#include "trainers.h"

namespace fovea::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Retraining : public EveryTrainer {};

TEST_P(Retraining, ResumingACompleteRunSaysSo) {
  const std::string out = folder / "model";
  ASSERT_EQ(train(out, {"--epochs", "2"}).status, 0);
  const auto before = contents(out);
  const Finished again = train(out, {"--epochs", "2", "--resume", "--json"});
  EXPECT_EQ(again.status, 0) << again.error;
  EXPECT_THAT(again.out, StartsWith("the run in " + out + " is complete\n{\"ending\":\"complete\""));
  EXPECT_EQ(run(GetParam().program, {"train", "--train", data, "--out", out, "--resume", "--threads", "1"}).out,
            "the run in " + out + " is complete\n");
  const Finished longer = train(out, {"--epochs", "3", "--resume"});
  EXPECT_EQ(longer.status, 2) << longer.out;
  EXPECT_THAT(longer.error, HasSubstr("--resume: the run in " + out + " is complete and had other options or data"));
  EXPECT_EQ(contents(out), before);
}

INSTANTIATE_TEST_SUITE_P(Trainers, Retraining, testing::ValuesIn(trainers()), name_of);

class TextFolder : public testing::Test {
 protected:
  Words train_into(const std::string& name, const Words& flags = {}) const {
    return Words{"train", "--train", data, "--out", folder / name, "--epochs", "1"} + small + flags;
  }

  TempFolder folder;
  std::string data = folder.write("train.csv", reviews(60));
};

TEST_F(TextFolder, ARunThatFailsInItsFirstEpochLeavesTheModelOfBefore) {
  const Words bad{"--lr", "1e6", "--clip", "0", "--optimizer", "sgd", "--weight-decay", "1e9"};
  ASSERT_EQ(classify(train_into("model")).status, 0);
  expect_refused(TEXT_CLASSIFIER, train_into("model", bad + Words{"--quiet"}), "text_classifier: the loss became ",
                 folder / "");
  EXPECT_EQ(classify(train_into("new/out", bad)).status, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
}

TEST_F(TextFolder, AVocabularyOfAnotherModelIsRefused) {
  ASSERT_EQ(classify(train_into("model")).status, 0);
  const std::string path = folder / "model/vocabulary.txt";
  std::string words = read_back(path);
  const size_t last = words.rfind('\n', words.size() - 2);
  std::reverse(words.begin() + static_cast<ptrdiff_t>(last) + 1, words.end() - 1);  // as many lines, one of them other
  folder.write("model/vocabulary.txt", words);
  expect_refused(TEXT_CLASSIFIER, {"predict", "--model", folder / "model", "x"},
                 path + ": not that of the model that config.json describes", folder / "");
}

TEST_F(TextFolder, AForeignConfigurationIsNotOverwritten) {
  std::filesystem::create_directory(folder / "mine");
  folder.write("mine/config.json", "{\"epochs\": 1}");
  expect_refused(TEXT_CLASSIFIER, train_into("mine"), folder / "mine/config.json: is no model's", folder / "");
  expect_refused(TEXT_CLASSIFIER, {"train", "--train", data, "--out", ""}, "text_classifier: --out: \"\" is no folder",
                 folder / "");
}

TEST_F(TextFolder, FoldsOfACompleteRunAreNotThoseOfAnother) {
  ASSERT_EQ(classify(train_into("model", {"--folds", "2"})).status, 0);
  const auto before = contents(folder / "model");
  EXPECT_THAT(classify(train_into("model", {"--folds", "2", "--resume"})).out, HasSubstr("is complete"));
  expect_refused(TEXT_CLASSIFIER, train_into("model", {"--folds", "3", "--resume"}),
                 "text_classifier: --resume: the run in " + folder / "model is complete, and not one of --folds 3",
                 folder / "");
  EXPECT_EQ(contents(folder / "model"), before);
}

TEST_F(TextFolder, WhatCannotBePrintedOrReadIsAnError) {
  ASSERT_EQ(classify(train_into("model")).status, 0);
  const auto in_shell = [&](const std::string& streams) {
    return run("/bin/sh", {"-c", std::string(TEXT_CLASSIFIER) + " predict --model " + (folder / "model ") + streams});
  };
  std::string many;  // more than stays in a buffer to the end
  for (int i = 0; i < 2000; ++i) many += "a good one\n";
  folder.write("many", many);
  for (const std::string& streams :
       {std::string("hi >/dev/full"), std::string("hi >&-"), "<" + (folder / "many ") + ">/dev/full"}) {
    const Finished done = in_shell(streams);
    EXPECT_EQ(done.status, 2) << streams;
    EXPECT_EQ(done.error, "standard output cannot be written\n");
  }
  const Finished folder_in = in_shell("</");
  EXPECT_EQ(folder_in.status, 2);
  EXPECT_EQ(folder_in.error, "standard input: cannot read: Is a directory\n");
}

TEST_F(TextFolder, AProbabilityThatIsNoNumberIsAnError) {
  ASSERT_EQ(classify(train_into("model")).status, 0);
  std::string weights = read_back(folder / "model/model.safetensors");
  uint64_t header = 0;
  std::memcpy(&header, weights.data(), sizeof header);
  std::fill(weights.begin() + 8 + static_cast<ptrdiff_t>(header), weights.end(), '\xff');
  folder.write("model/model.safetensors", weights);
  expect_refused(TEXT_CLASSIFIER, {"predict", "--model", folder / "model", "hi"},
                 "\"hi\": what the model makes of it is no number", folder / "");
}

TEST_F(TextFolder, ControlCharactersOfLabelsAndTextsAreNotPrinted) {
  std::string csv = "label,text\n";
  for (int i = 0; i < 40; ++i) csv += i % 2 ? "\"go\nod\t\x1b[2J\",fine\n" : "bad,awful\n";
  const std::string odd = folder.write("odd.csv", csv);
  const Words words{"train", "--train", odd, "--out", folder / "model", "--epochs", "1"};
  ASSERT_EQ(classify(words + small).status, 0);
  const Finished told = classify({"predict", "--model", folder / "model", "--explain", "fi\x1b[1mne\tx\ny"});
  EXPECT_EQ(told.out.find('\x1b'), std::string::npos) << told.out;
  EXPECT_THAT(told.out, HasSubstr("\tfi\\x1b[1mne x y\n"));
  const Finished tested = classify({"evaluate", "--model", folder / "model", "--data", odd});
  EXPECT_THAT(tested.out, HasSubstr("  go od \\x1b[2J\n"));
}

TEST_F(TextFolder, ThereIsNoAreaUnderTheCurveOfOneClass) {
  ASSERT_EQ(classify(train_into("model")).status, 0);
  const std::string one = folder.write("one.csv", "label,text\ngood,lovely room\ngood,clean pool\n");
  const Finished tested = classify({"evaluate", "--model", folder / "model", "--data", one});
  EXPECT_EQ(tested.status, 0);
  EXPECT_EQ(tested.out.find("nan"), std::string::npos) << tested.out;
  EXPECT_EQ(tested.out.find("ROC"), std::string::npos) << tested.out;
}

TEST_F(TextFolder, ADeviceOfTheEnvironmentThatIsNoneIsSaidWhereItIsNeeded) {
  const auto with_device = [&](const Words& words) {
    return run("/usr/bin/env", Words{"FOVEA_DEVICE=abacus", TEXT_CLASSIFIER} + words);
  };
  EXPECT_EQ(with_device({"train", "--help"}).status, 0);
  EXPECT_EQ(with_device(train_into("model", {"--device", "cpu"})).status, 0);
  const Finished failed = with_device(train_into("other"));
  EXPECT_EQ(failed.status, 2);
  EXPECT_EQ(failed.error, "text_classifier: FOVEA_DEVICE: device: 'abacus' is none of cpu, vulkan, vulkan:N\n");
}

TEST(Demos, SayThatAFolderCannotBeMade) {
  const TempFolder folder;
  const std::string file = folder.write("file", "");
  for (const Trainer& trainer : trainers()) {
    const Finished done = run(trainer.program, {"demo", "--out", file});
    EXPECT_EQ(done.status, 2) << trainer.name;
    EXPECT_THAT(done.error, StartsWith(file + ": ")) << trainer.name;
  }
}

}  // namespace
}  // namespace fovea::test
