// What every trainer writes for TensorBoard, read by TensorBoard's own reader. Needs a Python with it; skips without one.
#include "trainers.h"

namespace fovea::test {
namespace {

class TensorBoardFiles : public EveryTrainer {};

TEST_P(TensorBoardFiles, AreReadByTensorBoard) {
  const char* given = std::getenv("FOVEA_PYTHON");
  const std::string python = given ? given : FOVEA_PYTHON;
  ASSERT_EQ(train(folder / "model", {"--epochs", "2", "--quiet"}).status, 0);
  const std::string& name = GetParam().name;
  const Finished read =
      run("/usr/bin/env", {python, FOVEA_SOURCE_DIR "/tests/tensorboard/read_events.py", "run", folder / "model",
                           name == "image" || name == "speech" ? "images" : "text"});
  if (read.status == 127 || read.out.starts_with("skipped: ")) {
    GTEST_SKIP() << "no Python with the package tensorboard; FOVEA_PYTHON may name one";
  }
  EXPECT_EQ(read.status, 0) << read.out << read.error;
}

INSTANTIATE_TEST_SUITE_P(Trainers, TensorBoardFiles, testing::ValuesIn(trainers()), name_of);

}  // namespace
}  // namespace fovea::test
