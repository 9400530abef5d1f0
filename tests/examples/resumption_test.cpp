// Whatever ends a run, its last checkpoint is whole, and the run that goes on ends in the bytes that it would have had.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "trainers.h"

namespace fovea::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

class Resumption : public EveryTrainer {
 protected:
  /// So many that a run does not end before a signal reaches it behind its first.
  const Words epochs{"--epochs", "20", "--patience", "0"};

  /// Leaves a run in `out` that stopped somewhere and has a checkpoint, and returns the checkpoint.
  std::string stop_early(const std::string& out) const {
    Program program(GetParam().program, train_into(out, epochs));
    for (auto line = program.line(); line && !line->starts_with("epoch 1/"); line = program.line()) continue;
    program.signal(SIGINT);
    EXPECT_EQ(program.finish().status, 130);
    return read_back(out + "/checkpoint.safetensors");
  }

  /// Goes on in `out`, where no file of a checkpoint's size can be written: one error, and the checkpoint stays.
  void expect_one_error(const std::string& out, const std::string& checkpoint, const std::string& reason) const {
    const Finished failed = train(out, epochs + Words{"--resume", "--save-every", "1"});
    EXPECT_EQ(failed.status, 2) << failed.out;
    EXPECT_THAT(failed.error, HasSubstr(": cannot write: " + reason));
    EXPECT_EQ(std::count(failed.error.begin(), failed.error.end(), '\n'), 1) << failed.error;
    EXPECT_EQ(read_back(out + "/checkpoint.safetensors"), checkpoint);
    for (const auto& entry : fs::directory_iterator(out)) {
      EXPECT_EQ(entry.path().string().find("-tmp-"), std::string::npos) << entry.path();
    }
  }
  void expect_end(const std::string& out) const {
    const std::string whole = folder / "whole";
    ASSERT_EQ(train(whole, epochs).status, 0);
    const Finished resumed = train(out, epochs + Words{"--resume"});
    ASSERT_EQ(resumed.status, 0) << resumed.error;
    EXPECT_THAT(resumed.out, HasSubstr("going on behind step"));
    EXPECT_EQ(weights(out), weights(whole));
  }
};

TEST_P(Resumption, KilledTenTimesAtAnyMomentItEndsInTheSameBytes) {
  const std::string whole = folder / "whole", cut = folder / "cut";
  const Words few{"--epochs", "6", "--patience", "0"};
  const auto start = Clock::now();
  ASSERT_EQ(train(whole, few).status, 0);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);

  data::testing::Random random(7);
  const Words flags = few + Words{"--resume", "--save-every", "3"};
  int killed = 0, resumed = 0;
  // Reading its data may be most of a run, so the moments reach to its end and at least one run goes on from another.
  for (int attempt = 0; killed < 10 || resumed == 0; ++attempt) {
    ASSERT_LT(attempt, 200) << killed << " were killed and " << resumed << " went on";
    Program program(GetParam().program, train_into(cut, flags));
    std::this_thread::sleep_for(took * static_cast<int>(5 + random.below(100)) / 100);
    program.signal(SIGKILL);
    const Finished done = program.finish();
    resumed += done.out.find("going on behind step") != std::string::npos;
    if (done.status == 128 + SIGKILL) {
      ++killed;
    } else {  // it was faster: once more from the beginning
      ASSERT_EQ(done.status, 0) << done.error;
      ASSERT_EQ(weights(cut), weights(whole)) << "after " << killed << " kills";
      fs::remove_all(cut);
    }
  }
  const Finished last = train(cut, flags);
  ASSERT_EQ(last.status, 0) << last.error;
  EXPECT_EQ(weights(cut), weights(whole));
}

TEST_P(Resumption, AFullDiskIsOneErrorAndLeavesTheCheckpointWhole) {
  const std::string disk = folder / "disk", out = disk + "/model";
  fs::create_directory(disk);
  // A mount that no other process sees.
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "a small file system cannot be mounted here: " << std::strerror(errno);
  }
  const std::string checkpoint = stop_early(out);
  {
    std::ofstream filler(disk + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) continue;
  }
  expect_one_error(out, checkpoint, "No space left on device");
  fs::remove(disk + "/filler");
  expect_end(out);
  umount2(disk.c_str(), MNT_DETACH);
}

TEST_P(Resumption, ALimitOfFileSizesIsOneErrorAndLeavesTheCheckpointWhole) {
  const std::string out = folder / "model", checkpoint = stop_early(out);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = before;
  limit.rlim_cur = checkpoint.size() - 1;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // its child sees an error instead of being killed
  setrlimit(RLIMIT_FSIZE, &limit);
  expect_one_error(out, checkpoint, "File too large");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  expect_end(out);
}

INSTANTIATE_TEST_SUITE_P(Trainers, Resumption, testing::ValuesIn(trainers()), name_of);

}  // namespace
}  // namespace fovea::test
