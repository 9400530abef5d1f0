#include <cmath>

#include "fovea/backends/vulkan/views.h"
#include "fovea/backends/vulkan/vulkan_backend.h"
#include "fovea/vulkan_shaders.h"
#include "vulkan/build.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using DebugTest = VulkanTest;

vulkan::VulkanBackend debug_backend(const vulkan::EngineOptions& options) {
  return {0, vulkan::instance().devices().front(), options};
}

/// Softmax of x, told the device as reading `reads` and writing `writes`.
void softmax_that_says(vulkan::Engine& engine, const View& x, const View& out, std::initializer_list<const View*> reads,
                       std::initializer_list<const View*> writes) {
  const vulkan::Rows rows(engine, x);
  struct {
    uint64_t x, out;
    uint32_t rows, n, logarithm, unused;
  } push{vulkan::address_of(x),
         vulkan::address_of(out),
         static_cast<uint32_t>(rows.count),
         static_cast<uint32_t>(rows.n),
         0,
         0};
  engine.launch({.code = vulkan::shaders::softmax,
                 .constants = {rows.threads, 0, rows.lanes},
                 .name = "softmax",
                 .shape = x.shape,
                 .reads = reads,
                 .writes = writes,
                 .groups = rows.groups()},
                push);
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
    return "no error";
  } catch (const DeviceError& error) {
    return error.what();
  }
}

TEST_F(DebugTest, BoundsAreCheckedInTheShader) {
  vulkan::EngineOptions options;
  options.debug.bounds = true;
  vulkan::VulkanBackend device = debug_backend(options);
  const Mirror x(noise({3, 7}, 1), device), out(make({3, 7}), device);
  const auto run = [&](std::initializer_list<const View*> reads, std::initializer_list<const View*> writes) {
    return message_of([&] {
      softmax_that_says(device.engine(), x, out, reads, writes);
      device.synchronize();
    });
  };
  View less = x.view;
  less.shape = {2, 7};
  EXPECT_EQ(run({&x}, {&out}), "no error");
  EXPECT_TRUE(run({}, {&out}).starts_with("vulkan: softmax [3, 7] read address 0x")) << run({}, {&out});
  EXPECT_TRUE(run({&less}, {&out}).starts_with("vulkan: softmax [3, 7] read address 0x"));
  EXPECT_TRUE(run({&x, &out}, {}).starts_with("vulkan: softmax [3, 7] wrote address 0x"));
  EXPECT_EQ(run({&x}, {&out}), "no error");  // told once, and the device goes on
}

TEST_F(DebugTest, WhatIsBeyondBoundsIsNotTouched) {
  vulkan::EngineOptions options;
  options.debug.bounds = true;
  vulkan::VulkanBackend device = debug_backend(options);
  const Mirror x(noise({3, 7}, 1), device), out(full({3, 7}, 5), device);
  EXPECT_NE(message_of([&] {
              softmax_that_says(device.engine(), x, out, {&x}, {});
              device.synchronize();
            }),
            "no error");
  EXPECT_EQ(out.pull().get(20), 5);
}

TEST_F(DebugTest, ModesChangeNoResult) {
  vulkan::EngineOptions options;
  options.debug = {.barriers = true, .poison = true, .bounds = true};
  vulkan::VulkanBackend careful = debug_backend(options);
  const Build sum = [] {
    Build b("sum");
    b.output(b.op(Op::add, b.input(), b.input()));
    return b;
  }();
  const Array x = noise({300}, 1), y = noise({300}, 2);
  const Mirror dx(x, careful), dy(y, careful), dz(make({300}), careful);
  const auto add = [&](const View& a, const View& b, const View& to) {
    const View *in[] = {&a, &b}, *out = &to;
    careful.map({sum.program, f32, {300}, in, {&out, 1}, {}});
  };
  for (int i = 0; i < 5; ++i) {
    const Mirror temporary(make({300}), careful);
    add(dx, dy, temporary);
    add(temporary, dy, dz);
  }
  const Array got = dz.pull();
  for (int64_t i = 0; i < 300; ++i)
    EXPECT_FLOAT_EQ(static_cast<float>(got.get(i)), static_cast<float>(x.get(i) + 2 * y.get(i)));
  EXPECT_GE(careful.counters().barriers, careful.counters().dispatches);
}

TEST_F(DebugTest, PoisonShowsInFreedMemory) {
  vulkan::EngineOptions options;
  options.debug.poison = true;
  vulkan::VulkanBackend careful = debug_backend(options);
  const Buffer* place = nullptr;
  {
    const Mirror freed(full({64}, 1), careful);
    place = freed.buffer.get();
  }
  const BufferRef again = careful.allocate(256);
  ASSERT_EQ(again.get(), place);
  float value = 0;
  careful.read(*again, 128, &value, sizeof value);
  EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace fovea::test
