#include "fovea/backends/step_plan.h"

#include <gtest/gtest.h>

#include <random>

// The memory plan of a step.
namespace fovea::test {
namespace {

TEST(PlanRooms, RoomsInUseAtOnceNeverOverlap) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<PlannedRoom> rooms;
    for (int i = 0; i < 60; ++i) {
      const size_t first = random() % 100;
      rooms.push_back({random() % 5000, first, first + random() % 20});
    }
    const size_t total = plan_rooms(rooms);
    size_t most = 0;
    for (size_t call = 0; call < 120; ++call) {
      size_t live = 0;
      for (const PlannedRoom& room : rooms) live += room.first <= call && call <= room.last ? room.bytes : 0;
      most = std::max(most, live);
    }
    EXPECT_GE(total, most);
    EXPECT_LE(total, 2 * most + 256 * rooms.size());
    for (size_t i = 0; i < rooms.size(); ++i) {
      EXPECT_EQ(rooms[i].offset % 256, 0u);
      EXPECT_LE(rooms[i].offset + rooms[i].bytes, total);
      for (size_t j = 0; j < i; ++j) {
        const bool meet = rooms[i].first <= rooms[j].last && rooms[j].first <= rooms[i].last;
        const bool apart =
            rooms[i].offset + rooms[i].bytes <= rooms[j].offset || rooms[j].offset + rooms[j].bytes <= rooms[i].offset;
        EXPECT_TRUE(!meet || apart || rooms[i].bytes == 0 || rooms[j].bytes == 0);
      }
    }
  }
}

TEST(PlanRooms, RoomsLieWithinTheBlocksThatADeviceAllocates) {
  constexpr size_t block = 4096;
  std::mt19937 random(4);
  std::vector<PlannedRoom> rooms;
  for (size_t i = 0; i < 200; ++i) rooms.push_back({random() % block + 1, i / 4, i / 4 + random() % 5});
  EXPECT_GT(plan_rooms(rooms, block), block);
  for (const PlannedRoom& room : rooms) EXPECT_EQ(room.offset / block, (room.offset + room.bytes - 1) / block);
  rooms.push_back({block + 1, 0, 0});
  EXPECT_THROW(plan_rooms(rooms, block), OutOfMemoryError);
}

TEST(PlanRooms, AChainNeedsRoomForTwo) {
  std::vector<PlannedRoom> rooms;
  for (size_t i = 0; i < 100; ++i) rooms.push_back({1024, i, i + 1});
  EXPECT_EQ(plan_rooms(rooms), 2048u);
}

}  // namespace
}  // namespace fovea::test
