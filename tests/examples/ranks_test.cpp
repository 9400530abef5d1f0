// Trainers under mpirun.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "fovea/data/safetensors.h"
#include "lone_library.h"
#include "support/expect.h"
#include "trainers.h"

namespace fovea::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const Words as_two{"--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", "2"};

/// The process of a rank that mpirun started; 0 where it is not there.
pid_t process_of(pid_t mpirun, int rank) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream stat(entry.path() / "stat"), environment(entry.path() / "environ");
    std::string id, command, state;
    pid_t parent = 0;
    stat >> id >> command >> state >> parent;
    if (parent != mpirun) continue;
    const std::string wanted = fmt::format("OMPI_COMM_WORLD_RANK={}", rank);
    for (std::string variable; std::getline(environment, variable, '\0');) {
      if (variable == wanted) return std::stoi(name);
    }
  }
  return 0;
}

/// Whether a process still runs; one that nobody has waited for does not.
bool runs(pid_t process) {
  std::ifstream stat(fmt::format("/proc/{}/stat", process));
  std::string id, command, state = "X";
  stat >> id >> command >> state;
  return state != "X" && state != "Z";
}

int lines_with(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

#define SKIP_WITHOUT_MPIRUN() \
  if (std::string(FOVEA_MPIRUN).empty()) GTEST_SKIP() << "skipped: MPI (libopenmpi-dev, openmpi-bin) is not installed"

class Ranks : public testing::Test {
 protected:
  Words train_into(const std::string& out, const Words& flags = {}) const {
    return Words{"train", "--train",      file, "--out",     folder / out, "--embedding",
                 "8",     "--batch-size", "32", "--threads", "1"} +
           flags;
  }
  static Words together(const Words& words) { return as_two + Words{TEXT_CLASSIFIER} + words; }
  Finished train(const std::string& out, const Words& flags = {}) const {
    return run(FOVEA_MPIRUN, together(train_into(out, flags)));
  }
  std::string weights(const std::string& out) const { return read_back(folder / (out + "/model.safetensors")); }
  bool has_checkpoint(const std::string& out) const { return fs::exists(folder / (out + "/checkpoint.safetensors")); }

  /// Runs until the line of the first epoch is there.
  static void wait_for_an_epoch(Program& program) {
    for (auto line = program.line(); line && !line->starts_with("epoch 1/"); line = program.line()) continue;
  }
  static std::chrono::milliseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }

  TempFolder folder;
  std::string file = folder.write("train.csv", reviews(810));
  const Words epochs{"--hidden", "8", "--epochs", "12", "--patience", "0"};
};

TEST_F(Ranks, LearnTheModelOfOneProcess) {
  SKIP_WITHOUT_MPIRUN();
  for (const Words& model :
       {Words{"--encoder", "bag", "--bigrams"}, Words{"--encoder", "gru", "--hidden", "8", "--accumulate", "2"},
        Words{"--encoder", "transformer", "--hidden", "8", "--heads", "2", "--layers", "1"}}) {
    const Words flags = model + Words{"--epochs", "1",   "--dropout",   "0",   "--word-dropout", "0",
                                      "--clip",   "0.5", "--optimizer", "sgd", "--lr",           "0.1"};
    ASSERT_EQ(classify(train_into("alone", flags)).status, 0);
    const Finished done = train("both", flags);
    ASSERT_EQ(done.status, 0) << done.error;
    EXPECT_EQ(lines_with(done.out, "epoch 1/1"), 1) << done.out;
    EXPECT_THAT(done.out, HasSubstr("in each of 2 ranks"));
    const data::SafetensorsFile both(folder / "both/model.safetensors"), alone(folder / "alone/model.safetensors");
    for (const auto& [name, info] : alone.tensors()) {
      EXPECT_CLOSE(both.tensor(name), alone.tensor(name), 1e-4, 1e-5) << name << testing::PrintToString(model);
    }
  }
}

TEST_F(Ranks, ControlCSavesAndResumingEndsInTheSameBytes) {
  SKIP_WITHOUT_MPIRUN();
  ASSERT_EQ(train("whole", epochs).status, 0);
  Program cut(FOVEA_MPIRUN, together(train_into("cut", epochs)));
  wait_for_an_epoch(cut);
  kill(process_of(cut.id(), 1), SIGINT);
  EXPECT_NE(cut.finish().status, 0);
  ASSERT_TRUE(has_checkpoint("cut"));
  const Finished resumed = train("cut", epochs + Words{"--resume"});
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_EQ(lines_with(resumed.out, "going on behind step"), 1);
  EXPECT_EQ(weights("cut"), weights("whole"));
}

TEST_F(Ranks, TheDeathOfOneEndsAllAndLeavesACheckpoint) {
  SKIP_WITHOUT_MPIRUN();
  ASSERT_EQ(train("whole", epochs).status, 0);
  Program cut(FOVEA_MPIRUN, together(train_into("cut", epochs)));
  wait_for_an_epoch(cut);
  const pid_t first = process_of(cut.id(), 0), second = process_of(cut.id(), 1);
  ASSERT_NE(second, 0);
  const auto start = std::chrono::steady_clock::now();
  kill(second, SIGKILL);
  const Finished ended = cut.finish();
  EXPECT_LT(since(start), std::chrono::seconds(15));
  EXPECT_NE(ended.status, 0);
  EXPECT_EQ(lines_with(ended.error, "text_classifier: another rank has ended, or all were asked to; saved behind step"),
            1)
      << ended.error;
  EXPECT_FALSE(runs(first));
  ASSERT_TRUE(has_checkpoint("cut"));
  const Finished resumed = train("cut", epochs + Words{"--resume"});
  ASSERT_EQ(resumed.status, 0) << resumed.error;
  EXPECT_EQ(weights("cut"), weights("whole"));
}

TEST_F(Ranks, DoNotWaitForeverForOneThatHangs) {
  SKIP_WITHOUT_MPIRUN();
  Program cut(FOVEA_MPIRUN, together(train_into("cut", epochs + Words{"--rank-timeout", "1"})));
  wait_for_an_epoch(cut);
  const auto start = std::chrono::steady_clock::now();
  kill(process_of(cut.id(), 1), SIGSTOP);
  const Finished ended = cut.finish();
  EXPECT_LT(since(start), std::chrono::seconds(15));
  EXPECT_NE(ended.status, 0);
  EXPECT_THAT(ended.error, HasSubstr("the other ranks have not answered for 1 seconds; saved behind step"));
  EXPECT_TRUE(has_checkpoint("cut"));
}

TEST_F(Ranks, SayOnceWhatIsWrong) {
  SKIP_WITHOUT_MPIRUN();
  folder.write("bad.csv", "label,text\na,b\nc\n");
  const Finished bad = run(FOVEA_MPIRUN, together({"train", "--train", folder / "bad.csv", "--out", folder / "no"}));
  EXPECT_EQ(bad.status, 2);
  EXPECT_EQ(lines_with(bad.error, "bad.csv:3: "), 1) << bad.error;
  EXPECT_FALSE(fs::exists(folder / "no"));

  const Finished small_batch = train("no", {"--batch-size", "1"});
  EXPECT_EQ(small_batch.status, 2);
  EXPECT_EQ(lines_with(small_batch.error, "--batch-size 1 is less than the 2 ranks"), 1) << small_batch.error;
  EXPECT_THAT(train("no", {"--folds", "3"}).error, HasSubstr("--folds trains in one process"));
  const Finished prediction = run(FOVEA_MPIRUN, together({"predict", "--model", folder / "no", "text"}));
  EXPECT_EQ(prediction.status, 2);
  EXPECT_EQ(lines_with(prediction.error, "predict works in one process: start it without mpirun"), 1);
}

TEST_F(Ranks, SayWhereMpiWasNotBuilt) {
  const Finished done = LoneLibrary().run(TEXT_CLASSIFIER, train_into("no"), {"OMPI_COMM_WORLD_SIZE=2"});
  EXPECT_EQ(done.status, 2) << done.out;
  EXPECT_THAT(done.error, HasSubstr("started by mpirun, but Fovea was built without MPI"));
  EXPECT_FALSE(fs::exists(folder / "no"));
}

class RanksOfEveryTrainer : public EveryTrainer {};

TEST_P(RanksOfEveryTrainer, LearnTogether) {
  SKIP_WITHOUT_MPIRUN();
  const std::string out = folder / "model";
  const Finished done =
      run(FOVEA_MPIRUN, as_two + Words{GetParam().program} + train_into(out, {"--epochs", "2", "--json"}));
  if (GetParam().name == "language") {
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.error, HasSubstr("train works in one process: start it without mpirun"));
    return;
  }
  ASSERT_EQ(done.status, 0) << done.error;
  EXPECT_EQ(lines_with(done.out, "\"ending\":\"complete\""), 1) << done.out;
  const Finished tested = run(GetParam().program, {"evaluate", "--model", out, "--data", data});
  EXPECT_EQ(tested.status, 0) << tested.error;
}

INSTANTIATE_TEST_SUITE_P(Trainers, RanksOfEveryTrainer, testing::ValuesIn(trainers()), name_of);

}  // namespace
}  // namespace fovea::test
