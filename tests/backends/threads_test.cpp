#include "fovea/backends/cpu/threads.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "fovea/backends/backend.h"

namespace fovea::test {
namespace {

class Threads : public testing::Test {
 protected:
  Threads() { set_num_threads(4); }
  ~Threads() override { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

/// How often each item of [0, items) was worked on.
std::vector<int> visits(int64_t items, int64_t grain, bool backward = false) {
  std::vector<std::atomic<int>> counts(static_cast<size_t>(items));
  const auto count = [&](int64_t begin, int64_t end) {
    EXPECT_EQ(begin % grain, 0);
    EXPECT_EQ(end, std::min(begin + grain, items));
    for (int64_t i = begin; i < end; ++i) ++counts[static_cast<size_t>(i)];
  };
  cpu::parallel_for(items, grain, count, backward);
  return {counts.begin(), counts.end()};
}

// Each begins on a core of its own, but is not bound to it.
TEST_F(Threads, MayUseEveryCore) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
  std::atomic<int> others{0};
  for (int round = 0; round < 1000 && others == 0; ++round) {
    cpu::parallel_for(64, 1, [&, owner = std::this_thread::get_id()](int64_t, int64_t) {
      cpu_set_t here;
      EXPECT_EQ(sched_getaffinity(0, sizeof here, &here), 0);
      EXPECT_TRUE(CPU_EQUAL(&here, &usable));
      others += std::this_thread::get_id() != owner;
    });
  }
  EXPECT_GT(others, 0);
}

TEST_F(Threads, WorkOnEveryItemOnce) {
  for (int round = 0; round < 200; ++round) {
    for (const int64_t items : {0, 1, 7, 64, 1000}) {
      EXPECT_EQ(visits(items, 3, round % 2), std::vector<int>(static_cast<size_t>(items), 1));
    }
  }
}

TEST_F(Threads, WorkOnEveryItemOnceHoweverManyTheyAre) {
  for (const int threads : {1, 2, 5, 70, 200}) {
    set_num_threads(threads);
    for (const int64_t items : {2, 99, 1000}) {
      EXPECT_EQ(visits(items, 3, false), std::vector<int>(static_cast<size_t>(items), 1)) << threads << " threads";
      EXPECT_EQ(visits(items, 3, true), std::vector<int>(static_cast<size_t>(items), 1)) << threads << " threads";
    }
  }
}

TEST_F(Threads, TurnBackEveryOtherTimeInWhatNoCacheHolds) {
  constexpr int64_t large = int64_t{64} << 20, small = 1 << 20;
  const bool first = cpu::turns_back(large);
  EXPECT_FALSE(cpu::turns_back(small));
  EXPECT_NE(cpu::turns_back(large), first);
  EXPECT_EQ(cpu::turns_back(large), first);

  set_num_threads(1);
  std::vector<int64_t> order;
  cpu::parallel_for(
      5, 2, [&](int64_t begin, int64_t) { order.push_back(begin); }, true);
  EXPECT_EQ(order, (std::vector<int64_t>{4, 2, 0}));
}

TEST_F(Threads, ServeSeveralCallersAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) right += visits(100, 7) == std::vector<int>(100, 1);
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 800);
}

TEST_F(Threads, WorkAloneInsideAChunk) {
  std::atomic<int> inner = 0, elsewhere = 0;
  cpu::parallel_for(8, 1, [&](int64_t, int64_t) {
    const std::thread::id here = std::this_thread::get_id();
    cpu::parallel_for(8, 1, [&](int64_t, int64_t) {
      ++inner;
      elsewhere += std::this_thread::get_id() != here;
    });
  });
  EXPECT_EQ(inner, 64);
  EXPECT_EQ(elsewhere, 0);
}

TEST_F(Threads, BringAnExceptionToTheCallerAfterAllChunks) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> done = 0;
    const auto fail_once = [&](int64_t begin, int64_t) {
      ++done;
      if (begin == 5) throw std::runtime_error("five");
    };
    EXPECT_THROW(cpu::parallel_for(20, 1, fail_once), std::runtime_error);
    EXPECT_EQ(done, 20);
  }
}

TEST_F(Threads, AreNotMissedInTheChildOfAFork) {
  EXPECT_EQ(visits(100, 1), std::vector<int>(100, 1));  // the helpers exist
  const pid_t child = fork();
  if (child == 0) _exit(visits(100, 1) == std::vector<int>(100, 1) ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Threads, LetTheChildOfAForkEndWhileTheyWork) {
  // Threads that have begun: AddressSanitizer, unlike the library, does not survive a fork while one begins.
  cpu::parallel_for(8, 1, [](int64_t, int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  std::atomic<bool> started{false}, over{false};
  std::thread owner([&] {
    cpu::parallel_for(4, 1, [&](int64_t, int64_t) {
      started = true;
      while (!over) std::this_thread::yield();
    });
  });
  while (!started) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    std::exit(0);  // with the destructors of all that is static
  }
  over = true;
  owner.join();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace fovea::test
