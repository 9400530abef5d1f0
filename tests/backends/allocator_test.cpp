#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "backends/array.h"
#include "fovea/backends/cpu/allocator.h"
#include "fovea/backends/memory_limit.h"

namespace fovea::test {
namespace {

constexpr size_t sizes[] = {0, 1, 63, 64, 65, 300, 4096, 100000, 256 << 10, (256 << 10) + 1, 1 << 20, 5 << 20};

TEST(Allocator, AlignsAndHoldsWhatIsWritten) {
  std::vector<BufferRef> buffers;
  for (size_t bytes : sizes) {
    buffers.push_back(cpu().allocate(bytes));
    EXPECT_EQ(buffers.back()->bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffers.back()->host()) % 64, 0u);
    std::memset(buffers.back()->host(), static_cast<int>(buffers.size()), bytes);
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    for (size_t at = 0; at < buffers[i]->bytes(); ++at) ASSERT_EQ(static_cast<size_t>(buffers[i]->host()[at]), i + 1);
  }
}

TEST(Allocator, ReusesWhatCameBack) {
  if (!cpu::Allocator::caching) GTEST_SKIP() << "nothing is kept under AddressSanitizer";
  for (size_t bytes : sizes) {
    const std::byte* first = cpu().allocate(bytes)->host();
    EXPECT_EQ(cpu().allocate(bytes)->host(), first) << bytes;
  }
  // A smaller request takes a part of it.
  const std::byte* large = cpu().allocate(size_t{40} << 20)->host();
  EXPECT_EQ(cpu().allocate(size_t{37} << 20)->host(), large);
}

TEST(Allocator, CountsBytesAndRequests) {
  for (size_t bytes : {size_t{1000}, size_t{3} << 20}) {
    const MemoryStats before = cpu().memory();
    {
      const BufferRef a = cpu().allocate(bytes), b = cpu().allocate(bytes);
      const MemoryStats inside = cpu().memory();
      EXPECT_EQ(inside.live, before.live + 2 * bytes);
      EXPECT_EQ(inside.requests, before.requests + 2);
      EXPECT_GE(inside.peak, inside.live);
    }
    const MemoryStats after = cpu().memory();
    EXPECT_EQ(after.live, before.live);
    EXPECT_GE(after.peak, before.live + 2 * bytes);
    if (!cpu::Allocator::caching) continue;
    EXPECT_GE(after.cached, 2 * bytes);
    const BufferRef again = cpu().allocate(bytes);
    EXPECT_EQ(cpu().memory().misses, after.misses);
  }
}

TEST(Allocator, PeakIsTheGreatestSum) {
  const size_t live = cpu().memory().live, size = cpu().memory().peak + (size_t{4} << 20);
  cpu().allocate(size);
  cpu().allocate(size);
  // What one thread made and another freed is counted once they meet; tests before this one may have left some.
  EXPECT_GE(cpu().memory().peak, live + size);
  EXPECT_LT(cpu().memory().peak, live + size + (size_t{1} << 20));
}

TEST(Allocator, KeepsNoMoreThanItsLimit) {
  if (!cpu::Allocator::caching) GTEST_SKIP() << "nothing is kept under AddressSanitizer";
  // What other threads keep they give back at their next request: they make none here.
  cpu().set_cache_limit(0);
  const size_t elsewhere = cpu().memory().cached;
  const auto cached = [&] { return cpu().memory().cached - elsewhere; };
  cpu().set_cache_limit(size_t{1} << 30);
  { std::vector<BufferRef> some{cpu().allocate(1000), cpu().allocate(3 << 20), cpu().allocate(9 << 20)}; }
  EXPECT_GE(cached(), size_t{12} << 20);
  cpu().set_cache_limit(size_t{10} << 20);
  EXPECT_LE(cached(), size_t{10} << 20);
  for (int i = 1; i < 40; ++i) {
    cpu().allocate(static_cast<size_t>(i) << 20);
    EXPECT_LE(cached(), size_t{10} << 20);
  }
  std::vector<BufferRef> small(3000);
  for (auto& each : small) each = cpu().allocate(10000);
  small.clear();
  EXPECT_LE(cached(), size_t{10} << 20);
  EXPECT_EQ(cpu().set_cache_limit(size_t{1} << 30), size_t{10} << 20);
  cpu().allocate(1 << 20);
  EXPECT_GT(cached(), 0u);
  cpu().empty_cache();
  EXPECT_EQ(cached(), 0u);
  cpu().allocate(1 << 20);
  EXPECT_GT(cached(), 0u) << "the limit is what it was";
}

TEST(Allocator, BuffersMayEndOnAnotherThread) {
  const MemoryStats before = cpu().memory();
  for (int round = 0; round < 20; ++round) {
    std::vector<BufferRef> made(500);
    std::thread([&] {
      for (size_t i = 0; i < made.size(); ++i) made[i] = cpu().allocate(64 * (i % 40) + (i % 100 == 0 ? 2 << 20 : 0));
    }).join();
    for (auto& each : made) std::memset(each->host(), 1, each->bytes());
    std::thread([taken = std::move(made)] {}).join();
  }
  const MemoryStats after = cpu().memory();
  EXPECT_EQ(after.live, before.live);
  EXPECT_EQ(after.requests, before.requests + 20 * 500);
  // A thread's end gives its cache back: later rounds live on what earlier ones left.
  if (cpu::Allocator::caching) {
    EXPECT_LT(after.misses - before.misses, 2 * 500u);
  }
}

TEST(Allocator, StandsManyThreadsAtOnce) {
  const size_t live = cpu().memory().live;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t) {
    threads.emplace_back([t] {
      std::vector<BufferRef> held(64);
      for (unsigned i = 0; i < 20000; ++i) {
        BufferRef& slot = held[(i * 7 + t) % 64];
        slot = cpu().allocate(1 + (i * 131 + t * 17) % 5000 + (i % 500 == 0 ? 1500000 : 0));
        slot->host()[0] = std::byte(t);
      }
      for (const auto& each : held) EXPECT_TRUE(!each || each->bytes() == 0 || each->host()[0] == std::byte(t));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(cpu().memory().live, live);
}

TEST(Allocator, SaysWhenThereIsNoMemory) {
  EXPECT_THROW(cpu().allocate(SIZE_MAX / 2), OutOfMemoryError);
  EXPECT_THROW(cpu().allocate(size_t{1} << 60), OutOfMemoryError);
  EXPECT_THROW(cpu().allocate(size_t{1} << 44), OutOfMemoryError) << "which the system would promise";
}

TEST(Allocator, KeepsWithinALimit) {
  const auto give_back = [] {
    cpu().set_cache_limit(0);
    cpu().set_cache_limit(size_t{1} << 30);
  };
  give_back();
  // Blocks are a little larger, and what other threads keep is out of reach.
  const size_t live = cpu().memory().live, slack = (size_t{4} << 20) + cpu().memory().cached;
  set_memory_limit(Device::Kind::cpu, live + (size_t{24} << 20) + slack);
  {
    const BufferRef first = cpu().allocate(size_t{16} << 20);
    EXPECT_THROW(cpu().allocate(size_t{16} << 20), OutOfMemoryError);
    const BufferRef second = cpu().allocate(size_t{7} << 20);
  }
  // What was given back is kept, but makes room where it is of no use.
  const BufferRef other = cpu().allocate(size_t{22} << 20);
  EXPECT_LE(cpu().memory().live, live + (size_t{24} << 20) + slack);
  std::vector<BufferRef> small;
  EXPECT_THROW(
      {
        for (int i = 0; i < 10000; ++i) small.push_back(cpu().allocate(1000));
      },
      OutOfMemoryError);
  set_memory_limit(Device::Kind::cpu, 0);
  EXPECT_TRUE(cpu().allocate(size_t{64} << 20));
  give_back();
}

}  // namespace
}  // namespace fovea::test
