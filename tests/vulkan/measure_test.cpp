#include "fovea/backends/vulkan/measure.h"

#include <filesystem>

#include "fovea/backends/cache_file.h"
#include "fovea/backends/vulkan/choices.h"
#include "fovea/backends/vulkan/device_timer.h"
#include "fovea/backends/vulkan/matmul_tuner.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

/// A backend whose files lie in a folder of the test's own.
class MeasureTest : public VulkanTest {
 protected:
  void SetUp() override {
    VulkanTest::SetUp();
    if (IsSkipped()) return;
    folder_ = std::filesystem::temp_directory_path() / fmt::format("fovea-measure-{}", getpid());
    std::filesystem::remove_all(folder_);
    if (const char* cache = std::getenv("XDG_CACHE_HOME")) before_ = cache;
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    before_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", before_.c_str(), 1);
    std::filesystem::remove_all(folder_);
    VulkanTest::TearDown();
  }

  static const vulkan::PhysicalDevice& physical() { return vulkan::instance().devices().front(); }

  std::filesystem::path folder_;
  std::string before_;
};

TEST_F(MeasureTest, OnlyWhatIsRightIsTimedAndTheFastestWins) {
  vulkan::VulkanBackend device(0, physical());
  vulkan::Engine& engine = device.engine();
  const auto filled = [&](double value, int times) {
    return [&engine, value, times](const View& out) {
      for (int i = 0; i < times; ++i) vulkan::fill(engine, out, value);
    };
  };
  const View like{nullptr, 0, f32, {300, 1000}, contiguous_strides({300, 1000})};
  const auto found = vulkan::measure(engine, {"reference", filled(2, 1)},
                                     {{"wrong", filled(2.01, 1)},
                                      {"slow", filled(2, 30)},
                                      {"fast", filled(2, 1)},
                                      {"nothing", [](const View&) {}},  // writes nothing
                                      {"throws", [](const View&) { throw DeviceError("no"); }}},
                                     like, 1e-3);
  ASSERT_EQ(found.size(), 5u);
  EXPECT_FALSE(found[0].right);
  EXPECT_NEAR(found[0].error, 0.005, 1e-4);
  EXPECT_TRUE(found[1].right);
  EXPECT_TRUE(found[2].right);
  EXPECT_GT(found[1].seconds, found[2].seconds);
  EXPECT_GT(found[2].seconds, 0);
  EXPECT_FALSE(found[3].right);
  EXPECT_FALSE(found[4].right);
  EXPECT_EQ(vulkan::fastest(found), 2);
  EXPECT_EQ(vulkan::fastest({found[0], found[3]}), -1);
}

TEST_F(MeasureTest, ChoicesOutliveTheProcessAndTwoProcessesAddUp) {
  const vulkan::DeviceCache disk = vulkan::device_cache(physical(), "test");
  {
    vulkan::Choices one(disk, "v1"), other(disk, "v1");
    one.learn("how", "so");
    other.learn("where", "here");
  }
  vulkan::Choices again(disk, "v1");
  EXPECT_EQ(again.find("how"), "so");
  EXPECT_EQ(again.find("where"), "here");
  EXPECT_EQ(again.find("why"), std::nullopt);
  EXPECT_EQ(vulkan::Choices(disk, "v2").find("how"), std::nullopt);
}

TEST_F(MeasureTest, ALargeProductIsMeasuredOnceAndGivesTheSameBits) {
  const Array a = noise({480, 512}, 1), b = noise({512, 500}, 2), out = make({480, 500});
  vulkan::EngineOptions options;
  options.measure = true;
  options.vectorise = true;
  std::vector<std::string> learned;
  const auto product = [&](const vulkan::EngineOptions& how) {
    vulkan::VulkanBackend device(0, physical(), how);
    const Mirror x(a, device), y(b, device), z(out, device);
    device.matmul({x, y, z});
    const std::vector<double> values = z.pull().values();
    learned.clear();
    for (const std::string& note : device.notes()) {
      if (note.starts_with("measured: ")) learned.push_back(note);
    }
    return std::pair{values, device.counters().dispatches};
  };
  const auto [plain, few] = product({});
  EXPECT_TRUE(learned.empty());
  EXPECT_EQ(few, 1u);
  const auto [first, many] = product(options);
  ASSERT_EQ(learned.size(), 1u);
  EXPECT_NE(learned[0].find("f32 m9 n9 k9 batch0 ak bn vectors: "), std::string::npos) << learned[0];
  EXPECT_GT(many, 3u);
  const auto [second, again] = product(options);
  EXPECT_EQ(again, 1u) << "what was measured is remembered";
  EXPECT_EQ(first, plain) << "a measurement changes the time alone";
  EXPECT_EQ(second, plain);
}

TEST_F(MeasureTest, CommandsThatAreRecordedAheadUseWhatWasMeasured) {
  vulkan::EngineOptions options;
  options.measure = true;
  const Array a = noise({480, 512}, 1), b = noise({512, 500}, 2), out = make({480, 500});
  const auto pipelines = [&](bool first_ahead) {
    vulkan::VulkanBackend device(0, physical(), options);
    const Mirror x(a, device), y(b, device), z(out, device);
    const std::vector<std::function<void()>> product(1, [&] { device.matmul({x, y, z}); });
    const auto prepared = first_ahead ? device.prepare(product) : nullptr;
    if (prepared) prepared->run(0);
    product[0]();
    device.synchronize();
    return device.counters().pipelines;
  };
  pipelines(false);
  EXPECT_EQ(pipelines(true), 1u) << "the tile that was measured, and no other";
}

TEST_F(MeasureTest, UploadsLieOnTheDeviceWhereTheHostSeesIt) {
  constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                  cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                                  seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  VkPhysicalDeviceMemoryProperties memory{};
  for (VkMemoryPropertyFlags flags : {VkMemoryPropertyFlags{0}, local, seen, seen | cached, local | seen})
    memory.memoryTypes[memory.memoryTypeCount++].propertyFlags = flags;
  using Types = std::vector<uint32_t>;
  using vulkan::MemoryUse;
  EXPECT_EQ(memory_types(memory, ~0u, MemoryUse::upload, false), (Types{4, 2}));
  EXPECT_EQ(memory_types(memory, 0xf, MemoryUse::upload, false), (Types{2}));
  EXPECT_EQ(memory_types(memory, ~0u, MemoryUse::download, false), (Types{3}));
  EXPECT_EQ(memory_types(memory, ~0u, MemoryUse::tensors, false), (Types{1}));
  EXPECT_EQ(memory_types(memory, ~0u, MemoryUse::tensors, true), (Types{4}));
  EXPECT_EQ(memory_types(memory, 1, MemoryUse::tensors, false), (Types{0}));
  EXPECT_TRUE(memory_types(memory, 1, MemoryUse::upload, false).empty());
}

TEST(LearnedRate, FallsWhereABatchWasLongForItsWorkAlone) {
  const auto learned = [](double work, double seconds, size_t commands) {
    return vulkan::learned_rate(1e12, 1e10, work, seconds, commands);
  };
  EXPECT_EQ(learned(1e8, 2e-3, 512), 1e12) << "it took the time to start its commands";
  EXPECT_EQ(learned(1e6, 5e-4, 1), 1e12) << "too short to tell";
  EXPECT_DOUBLE_EQ(learned(1e9, 1e-2, 10), 0.75e12 + 0.25e11);
  EXPECT_DOUBLE_EQ(learned(3e12, 1, 10), 0.75e12 + 0.75e12);
  EXPECT_DOUBLE_EQ(learned(3e8, 1e-4, 512), 1.5e12) << "faster is faster, however short";
  EXPECT_DOUBLE_EQ(learned(1e12, 1e-9, 1), 1.75e12) << "but for a clock that is wrong";
  EXPECT_EQ(learned(1e9, 0, 1), 1e12);
  double rate = 1e12;
  for (int i = 0; i < 100; ++i) rate = vulkan::learned_rate(rate, 1e10, 1, 1, 1);
  EXPECT_EQ(rate, 1e10);
}

TEST_F(MeasureTest, CooperativeMatricesAreNamedEitherWay) {
  vulkan::VulkanBackend device(0, physical());
  const Array a = noise({40, 48}, 1, f16), b = noise({48, 24}, 2, f16), out = make({40, 24}, f16);
  const Mirror x(a, device), y(b, device), z(out, device);
  device.matmul({x, y, z});
  cpu().matmul({a, b, out});
  expect_same(z, out, 2 * tolerance(f16));
  const std::vector<std::string> notes = device.notes();
  const auto said = [&](const char* what) {
    return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) { return note.starts_with(what); });
  };
  if (physical().cooperative.f16) {
    EXPECT_TRUE(said("cooperative matrices of f16: in use") || said("cooperative matrices of f16: not used: "));
  } else {
    EXPECT_TRUE(said("cooperative matrices of f16: not used: the device lacks "));
  }
  EXPECT_TRUE(said("cooperative matrices of bf16: "));
}

TEST_F(MeasureTest, TheTimerTellsLongFromShort) {
  vulkan::VulkanBackend device(0, physical());
  vulkan::Engine& engine = device.engine();
  vulkan::DeviceTimer timer(engine);
  BufferRef memory;
  const View x = engine.scratch(memory, f32, {1 << 20});
  const auto fills = [&](int count) {
    for (int i = 0; i < count; ++i) vulkan::fill(engine, x, i);
  };
  timer.seconds([&] { fills(1); });
  const double one = timer.seconds([&] { fills(1); }), forty = timer.seconds([&] { fills(40); });
  EXPECT_GT(one, 0);
  EXPECT_GT(forty, 3 * one);
}

}  // namespace
}  // namespace fovea::test
