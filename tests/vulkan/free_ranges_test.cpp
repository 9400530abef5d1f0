#include "fovea/backends/vulkan/free_ranges.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fovea::vulkan {
namespace {

TEST(SizeClasses, AreCloseAboveTheRequestAndDistinct) {
  size_t last_size = 0, last_index = 0;
  for (size_t bytes = 0; bytes < (size_t{1} << 24); bytes += bytes < 10000 ? 1 : bytes / 97) {
    const size_t size = class_size(bytes);
    ASSERT_GE(size, bytes);
    ASSERT_EQ(size % 256, 0u);
    ASSERT_EQ(class_size(size), size);
    if (bytes > 4096) {
      ASSERT_LE(size, bytes + bytes / 8);
    }
    if (bytes > (size_t{1} << 20)) {
      ASSERT_LE(size, bytes + bytes / 16);
    }
    const size_t index = class_index(size);
    ASSERT_LT(index, class_count);
    if (size != last_size && last_size) {
      ASSERT_GT(index, last_index);
    }
    last_size = size;
    last_index = index;
  }
  EXPECT_LT(class_index(class_size(size_t{1} << 45)), class_count);
}

TEST(FreeRanges, NeverHandsOutAByteTwiceAndJoinsAllInTheEnd) {
  std::mt19937 random(3);
  constexpr size_t bytes = 1 << 16;
  FreeRanges ranges(bytes);
  std::vector<char> taken(bytes, 0);
  struct Piece {
    size_t offset, bytes;
  };
  std::vector<Piece> pieces;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 || pieces.empty()) {
      const size_t wish = 1 + random() % 4000;
      const auto fit = ranges.best_fit(wish);
      const auto piece = ranges.take(wish);
      ASSERT_EQ(fit.has_value(), piece.has_value());
      if (!piece) continue;
      for (size_t i = piece->offset; i < piece->offset + wish; ++i) {
        ASSERT_FALSE(taken[i]);
        taken[i] = 1;
      }
      pieces.push_back({piece->offset, wish});
    } else {
      const size_t which = random() % pieces.size();
      const Piece piece = pieces[which];
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(which));
      std::fill_n(taken.begin() + static_cast<std::ptrdiff_t>(piece.offset), piece.bytes, 0);
      ranges.give(piece.offset, piece.bytes, static_cast<uint64_t>(step));
    }
  }
  for (const Piece& piece : pieces) ranges.give(piece.offset, piece.bytes, 0);
  EXPECT_TRUE(ranges.all_free());
  EXPECT_EQ(ranges.best_fit(bytes), bytes);
}

TEST(FreeRanges, RemembersTheLastUseOfWhatIsJoined) {
  FreeRanges ranges(1024);
  const auto a = ranges.take(256), b = ranges.take(256), c = ranges.take(512);
  ASSERT_TRUE(a && b && c);
  EXPECT_FALSE(ranges.take(1));
  ranges.give(a->offset, 256, 5);
  ranges.give(c->offset, 512, 9);
  ranges.give(b->offset, 256, 2);
  ASSERT_TRUE(ranges.all_free());
  EXPECT_EQ(ranges.last_use(), 9u);
  EXPECT_EQ(ranges.take(100)->last_use, 9u);
}

}  // namespace
}  // namespace fovea::vulkan
