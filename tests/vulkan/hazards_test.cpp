#include "fovea/backends/vulkan/hazards.h"

#include <gtest/gtest.h>

#include <random>

namespace fovea::vulkan {
namespace {

struct Command {
  std::vector<AddressRange> reads, writes;
};

// Every byte remembers who last wrote it and who has read it since; a command must have a barrier between itself and
// every earlier command that touched a byte of it, unless both only read.
class Checker {
 public:
  explicit Checker(size_t bytes) : last_write_(bytes, -1), last_read_(bytes, -1) {}

  bool needs_barrier(const Command& command) const {
    bool needs = false;
    visit(command.reads, [&](size_t byte) { needs |= last_write_[byte] > last_barrier_; });
    visit(command.writes,
          [&](size_t byte) { needs |= last_write_[byte] > last_barrier_ || last_read_[byte] > last_barrier_; });
    return needs;
  }
  void run(const Command& command, bool barrier) {
    if (barrier) last_barrier_ = now_ - 1;
    visit(command.reads, [&](size_t byte) { last_read_[byte] = now_; });
    visit(command.writes, [&](size_t byte) { last_write_[byte] = now_; });
    ++now_;
  }

 private:
  template <class F>
  static void visit(const std::vector<AddressRange>& ranges, F f) {
    for (const AddressRange& range : ranges) {
      for (uint64_t byte = range.begin; byte < range.end; ++byte) f(byte);
    }
  }
  std::vector<int> last_write_, last_read_;
  int now_ = 0;
  int last_barrier_ = -1;
};

TEST(Hazards, NoRandomProgramMissesABarrierAndNoneIsWasted) {
  std::mt19937 random(7);
  const auto below = [&](uint64_t n) { return random() % n; };
  for (int program = 0; program < 300; ++program) {
    const uint64_t bytes = 16 + below(200);
    Checker checker(bytes);
    HazardTracker tracker;
    const auto ranges = [&](size_t most) {
      std::vector<AddressRange> all(below(most + 1));
      for (AddressRange& range : all) {
        range.begin = below(bytes);
        range.end = range.begin + below(std::min<uint64_t>(bytes - range.begin, 12) + 1);
      }
      return all;
    };
    for (int step = 0; step < 60; ++step) {
      const Command command{ranges(3), ranges(2)};
      const bool barrier = tracker.access(command.reads, command.writes);
      ASSERT_EQ(barrier, checker.needs_barrier(command)) << "program " << program << " step " << step;
      checker.run(command, barrier);
      if (below(20) == 0) {  // the end of a batch
        tracker.clear();
        checker.run({}, true);
      }
    }
  }
}

TEST(Hazards, ReadersNeedNoBarrierBetweenThem) {
  HazardTracker tracker;
  const AddressRange range{0, 64}, next{64, 128};
  EXPECT_FALSE(tracker.access({}, {&range, 1}));
  EXPECT_TRUE(tracker.access({&range, 1}, {}));
  EXPECT_FALSE(tracker.access({&range, 1}, {&next, 1}));
  EXPECT_FALSE(tracker.access({&range, 1}, {}));
  EXPECT_TRUE(tracker.access({}, {&range, 1}));
}

TEST(Hazards, ManyIndependentCommandsStayCheap) {
  HazardTracker tracker;
  int barriers = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const AddressRange read{i * 512, i * 512 + 256}, write{i * 512 + 256, i * 512 + 512};
    barriers += tracker.access({&read, 1}, {&write, 1});
  }
  EXPECT_GT(barriers, 0);
  EXPECT_LT(barriers, 50);
}

}  // namespace
}  // namespace fovea::vulkan
