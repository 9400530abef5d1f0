#include <optional>

#include "fovea/backends/step_plan.h"
#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/build.h"
#include "vulkan/mirror.h"

// Kernels whose commands are recorded once and run many times.
namespace fovea::test {
namespace {

/// Has a device of its own, which no debugging mode watches.
class PreparedTest : public VulkanTest {
 protected:
  void SetUp() override {
    VulkanTest::SetUp();
    if (!IsSkipped()) device_.emplace(0, vulkan::instance().devices().front(), vulkan::EngineOptions{});
  }
  vulkan::VulkanBackend& device() { return *device_; }

  std::unique_ptr<PreparedKernels> prepare(std::vector<std::function<void()>> groups) {
    for (const auto& group : groups) group();  // once, as those who prepare must
    return device().prepare(groups);
  }

  const Program more_ = binary(Op::add);

 private:
  std::optional<vulkan::VulkanBackend> device_;
};

TEST_F(PreparedTest, GroupsRunInAnyOrderAmongOtherKernels) {
  const Mirror one(full({5}, 1), device()), x(full({5}, 0), device()), y(full({5}, 0), device());
  const auto prepared = prepare({[&] {
                                   run_program(device(), more_, {5}, {&x, &one}, x);
                                 },
                                 [&] {
                                   run_program(device(), more_, {5}, {&y, &x}, y);
                                 }});
  ASSERT_TRUE(prepared);
  EXPECT_EQ(y.pull().get(0), 1) << "preparing runs nothing";
  prepared->run(1);                                // y = 1 + 1
  run_program(device(), more_, {5}, {&x, &x}, x);  // x = 2
  for (int i = 0; i < 3; ++i) prepared->run(0);    // x = 5
  prepared->run(1);                                // y = 7
  run_program(device(), more_, {5}, {&y, &one}, y);
  EXPECT_EQ(x.pull().get(4), 5);
  EXPECT_EQ(y.pull().get(4), 8);
}

TEST_F(PreparedTest, OfManyCommandsTheHostRecordsFew) {
  const Mirror one(full({5}, 1), device()), x(full({5}, 0), device());
  constexpr int commands = 20000;  // more than a batch takes
  const auto prepared = prepare({[&] {
    for (int i = 0; i < commands; ++i) run_program(device(), more_, {5}, {&x, &one}, x);
  }});
  ASSERT_TRUE(prepared);
  const VulkanCounters before = device().counters();
  prepared->run(0);
  device().synchronize();
  const VulkanCounters after = device().counters();
  EXPECT_EQ(x.pull().get(2), 2 * commands);
  EXPECT_EQ(after.dispatches - before.dispatches, uint64_t{commands});
  EXPECT_EQ(after.prepared - before.prepared, uint64_t{commands});
  EXPECT_GE(after.barriers - before.barriers, uint64_t{commands} - 1) << "each needs what the one before wrote";
  EXPECT_LE(after.submits - before.submits, 4u);
}

TEST_F(PreparedTest, MemoryOfTheKernelsIsTheirsAlone) {
  // Sorting has scratch memory; a sum over a long axis too.
  const Mirror x(noise({3, 3000}, 1), device()), values(make({3, 3000}), device()), sums(make({3, 1}), device());
  const Mirror indices(make({3, 3000}, i32), device());
  const auto kernels = [&] {
    device().sort({x, values, indices});
    run_program(device(), more_, {3, 3000}, {&x, &values}, sums);
  };
  const auto prepared = prepare({kernels, kernels});
  ASSERT_TRUE(prepared);
  const std::vector<double> sorted = values.pull().values(), summed = sums.pull().values();
  std::vector<Mirror> others;
  for (int i = 0; i < 40; ++i) others.emplace_back(full({3, 3000, 1 + i % 3}, i), device());
  for (size_t group : {0, 1, 0}) {
    device().write(*values.buffer, 0, std::vector<float>(9000, -1).data(), 9000 * sizeof(float));
    prepared->run(group);
    EXPECT_EQ(values.pull().values(), sorted);
    EXPECT_EQ(sums.pull().values(), summed);
  }
  for (int i = 0; i < 40; ++i) EXPECT_EQ(others[static_cast<size_t>(i)].pull().get(8999), i);
}

TEST_F(PreparedTest, ParametersOutliveWhatIsUploadedLater) {
  // Too many inputs to push their addresses.
  Build b("many");
  uint16_t sum = b.input();
  for (int i = 1; i < 14; ++i) sum = b.op(Op::add, sum, b.input());
  b.output(sum);
  const Program& many = b.program;
  std::vector<Mirror> from;
  std::vector<const View*> inputs;
  for (int i = 0; i < 14; ++i) from.emplace_back(full({3, 1, 2}, i), device());
  for (const Mirror& x : from) inputs.push_back(&x);
  const Mirror out(make({3, 1, 2}), device());
  const auto kernel = [&] { device().map({many, f32, {3, 1, 2}, inputs, std::array{&out}, {}}); };
  const auto prepared = prepare({kernel});
  ASSERT_TRUE(prepared);
  for (int i = 0; i < 100; ++i) {
    kernel();  // takes places in the ring of what travels to the device
    device().synchronize();
  }
  run_program(device(), more_, {3, 1, 2}, {&out, &out}, out);
  prepared->run(0);
  EXPECT_EQ(out.pull().get(5), 91);
}

TEST_F(PreparedTest, TheDeviceMayStillRunWhatIsThrownAway) {
  const Mirror one(full({5}, 1), device()), x(full({5}, 0), device());
  auto prepared = prepare({[&] {
    for (int i = 0; i < 3000; ++i) run_program(device(), more_, {5}, {&x, &one}, x);
  }});
  prepared->run(0);
  prepared.reset();
  EXPECT_EQ(x.pull().get(0), 6000);
  EXPECT_EQ(device().memory().live, one.buffer->bytes() + x.buffer->bytes());
}

TEST_F(PreparedTest, WhatTheHostSendsIsRefused) {
  const Mirror x(full({5}, 0), device());
  const float value = 1;
  const std::vector<std::function<void()>> groups{[&] { device().write(*x.buffer, 0, &value, sizeof value); }};
  EXPECT_THROW(static_cast<void>(device().prepare(groups)), DeviceError);
  groups[0]();  // and the device goes on
  EXPECT_EQ(x.pull().get(0), 1);
}

TEST_F(PreparedTest, WhatTheHostSendsIntoAnArenaComesBehindOthersOfThatPlace) {
  const Mirror one(full({4000}, 1), device()), sum(full({4000}, 0), device());
  const BufferRef room = device().allocate(16000);
  device().synchronize();
  const std::shared_ptr<Buffer> first = device().part(room, 0, 16000), second = device().part(room, 0, 16000);
  const auto at = [](const Buffer& buffer) {
    return View{.buffer = const_cast<Buffer*>(&buffer), .shape = {4000}, .strides = {1}};
  };
  const View before = at(*first), behind = at(*second);
  for (int i = 0; i < 20; ++i) run_program(device(), more_, {4000}, {&one, &one}, before);  // waits in a batch
  device().write(*second, 0, std::vector<float>(4000, 7).data(), 16000);
  run_program(device(), more_, {4000}, {&behind, &one}, sum);
  EXPECT_EQ(sum.pull().get(0), 8);
  EXPECT_EQ(sum.pull().get(3999), 8);
}

TEST_F(PreparedTest, AnArenaTakesAsManyBlocksAsTheDeviceNeeds) {
  vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
  physical.max_allocation = 1 << 20;
  vulkan::VulkanBackend small(0, physical, vulkan::EngineOptions{});
  std::vector<PlannedRoom> rooms;
  for (size_t i = 0; i < 9; ++i) rooms.push_back({300'000 + 50'000 * i, 0, 1});
  StepArena arena;
  arena.reserve(small, plan_rooms(rooms, StepArena::block_bytes(small)));
  std::vector<std::shared_ptr<Buffer>> parts;
  for (const PlannedRoom& room : rooms) {
    const auto [block, offset] = arena.at(room.offset);
    EXPECT_LE(offset + room.bytes, block->bytes());
    parts.push_back(small.part(block, offset, room.bytes));
    small.write(*parts.back(), 0, std::vector<std::byte>(room.bytes, std::byte(parts.size())).data(), room.bytes);
  }
  for (size_t i = 0; i < rooms.size(); ++i) {
    std::vector<std::byte> bytes(rooms[i].bytes);
    small.read(*parts[i], 0, bytes.data(), bytes.size());
    EXPECT_EQ(bytes, std::vector<std::byte>(bytes.size(), std::byte(i + 1)));
  }
}

TEST_F(PreparedTest, AWatchedDeviceRecordsEachRun) {
  vulkan::EngineOptions options;
  options.debug.bounds = true;
  vulkan::VulkanBackend watched(0, vulkan::instance().devices().front(), options);
  EXPECT_FALSE(watched.prepare(std::vector<std::function<void()>>(1, [] {})));
}

}  // namespace
}  // namespace fovea::test
