#include "text_classifier.h"

namespace fovea::test {
namespace {

TEST(Memory, TwentyThousandStepsOfTrainingHoldNoMoreThanTheFirstFiveHundred) {
  const TempFolder folder;
  // 500 steps an epoch: 2000 examples, 4 a step. A checkpoint takes its own buffers, early.
  const std::string file = folder.write("train.csv", reviews(2000, 10)), valid = folder.write("valid.csv", reviews(20));
  Program program(TEXT_CLASSIFIER, {"train",
                                    "--train",
                                    file,
                                    "--valid",
                                    valid,
                                    "--out",
                                    folder / "model",
                                    "--embedding",
                                    "8",
                                    "--hidden",
                                    "8",
                                    "--batch-size",
                                    "4",
                                    "--epochs",
                                    "41",
                                    "--patience",
                                    "0",
                                    "--threads",
                                    "1",
                                    "--save-every",
                                    "499"});
  size_t early = 0, late = 0;
  int epoch = 0;
  for (auto line = program.line(); line; line = program.line()) {
    if (std::sscanf(line->c_str(), "epoch %d/", &epoch) != 1) continue;
    if (epoch == 1) early = program.resident_bytes();
    if (epoch == 40) late = program.resident_bytes();
  }
  const Finished done = program.finish();
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(epoch, 41) << done.out;
  ASSERT_GT(early, 0u);
  // The history grows by a line an epoch, and free lists fill in the first of them; the smallest object that a step could
  // leave behind takes 32 bytes.
  EXPECT_LT(late, early + 32 * 19500) << (late - early) / 1024 << " KiB more";
}

}  // namespace
}  // namespace fovea::test
