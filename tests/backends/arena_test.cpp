#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "fovea/backends/cpu/arena.h"

namespace fovea::test {
namespace {

using cpu::Arena;

const size_t page = Arena::page();

struct Piece {
  std::byte* memory;
  size_t bytes;
};

Piece take(Arena& arena, size_t pages) {
  const auto place = arena.find(pages * page);
  EXPECT_TRUE(place);
  return {arena.take(*place, pages * page), pages * page};
}

TEST(Arena, TheLowestPlaceThatIsLongEnoughComesFirst) {
  Arena arena;
  std::vector<Piece> pieces;
  for (size_t pages : {4u, 1u, 2u, 1u, 8u}) pieces.push_back(take(arena, pages));
  for (size_t i = 1; i < pieces.size(); ++i) EXPECT_EQ(pieces[i].memory, pieces[i - 1].memory + pieces[i - 1].bytes);
  arena.give(pieces[0].memory, pieces[0].bytes);
  arena.give(pieces[2].memory, pieces[2].bytes);
  EXPECT_EQ(take(arena, 2).memory, pieces[0].memory) << "though the other place fits exactly";
  EXPECT_EQ(take(arena, 3).memory, pieces[4].memory + pieces[4].bytes);
  arena.give(pieces[1].memory, pieces[1].bytes);
  EXPECT_EQ(take(arena, 5).memory, pieces[0].memory + 2 * page) << "neighbours that are free are one place";
}

TEST(Arena, KnowsWhatTakesMemory) {
  Arena arena;
  EXPECT_EQ(arena.find(3 * page)->fresh, 3 * page);
  EXPECT_EQ(arena.kept(), 0u);
  const Piece piece = take(arena, 3);
  std::memset(piece.memory, 1, piece.bytes);
  arena.give(piece.memory, piece.bytes);
  EXPECT_EQ(arena.kept(), 3 * page);
  EXPECT_EQ(arena.find(2 * page)->fresh, 0u);
  EXPECT_EQ(arena.find(5 * page)->fresh, 2 * page);
  EXPECT_EQ(arena.trim(2 * page), page);
  EXPECT_EQ(arena.find(3 * page)->fresh, page);
  const Piece again = take(arena, 3);
  EXPECT_EQ(again.memory, piece.memory);
  EXPECT_EQ(again.memory[0], std::byte{1});
  EXPECT_EQ(again.memory[2 * page], std::byte{0}) << "the system has the last page back";
}

TEST(Arena, RefusesWhatNoAddressSpaceHolds) {
  Arena arena;
  EXPECT_FALSE(arena.find(size_t{1} << 60));
  EXPECT_TRUE(arena.find(page));
}

// Against a table of pages.
TEST(Arena, HoldsUnderRandomUse) {
  enum class State { fresh, kept, taken };
  std::mt19937 random(7);
  const auto below = [&](size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); };
  Arena arena;
  std::map<std::byte*, State> pages;
  std::vector<Piece> pieces;
  std::byte* base = nullptr;
  const auto kept = [&] {
    size_t bytes = 0;
    for (const auto& [memory, state] : pages) bytes += state == State::kept ? page : 0;
    return bytes;
  };
  for (int step = 0; step < 4000; ++step) {
    if (const size_t what = below(20); what == 0) {
      const size_t before = kept(), most = below(before / page + 2) * page;
      const size_t given = arena.trim(most);
      EXPECT_EQ(given, before - std::min(before, most));
      for (auto last = pages.rbegin(); last != pages.rend() && kept() > most; ++last) {
        if (last->second == State::kept) last->second = State::fresh;
      }
    } else if (what < 11 || pieces.empty()) {
      const size_t count = 1 + below(below(4) == 0 ? 40 : 6);
      const auto place = arena.find(count * page);
      ASSERT_TRUE(place);
      std::byte* memory = arena.take(*place, count * page);
      if (!base) base = memory;
      std::byte* lowest = base;
      size_t fresh = 0;
      for (size_t free = 0; free < count;) {
        const auto found = pages.find(lowest + free * page);
        if (found != pages.end() && found->second == State::taken) {
          lowest += (free + 1) * page;
          free = fresh = 0;
          continue;
        }
        fresh += found == pages.end() || found->second == State::fresh ? page : 0;
        ++free;
      }
      ASSERT_EQ(memory, lowest);
      EXPECT_EQ(place->fresh, fresh);
      for (size_t i = 0; i < count; ++i) pages[memory + i * page] = State::taken;
      std::memset(memory, static_cast<int>(step % 251), count * page);
      pieces.push_back({memory, count * page});
    } else {
      const size_t which = below(pieces.size());
      const Piece piece = pieces[which];
      pieces[which] = pieces.back();
      pieces.pop_back();
      EXPECT_EQ(std::memcmp(piece.memory, piece.memory + 1, piece.bytes - 1), 0) << "another piece wrote here";
      for (size_t at = 0; at < piece.bytes; at += page) pages[piece.memory + at] = State::kept;
      arena.give(piece.memory, piece.bytes);
    }
    ASSERT_EQ(arena.kept(), kept());
  }
}

}  // namespace
}  // namespace fovea::test
