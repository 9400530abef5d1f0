#include <cmath>
#include <limits>

#include "fovea/backends/vulkan/vulkan_backend.h"
#include "vulkan/mirror.h"

namespace fovea::test {
namespace {

using AttentionTest = VulkanTest;

struct Case {
  const char* name;
  int64_t batch, heads, key_heads, queries, keys, width, value_width;
  bool causal = false;
  int64_t offset = 0, window = 0;
  double dropout = 0;
  bool padding = false;
  Shape bias = {};  // with axes of size 1 where it repeats
};

const Case cases[] = {
    {"one of each", 1, 1, 1, 1, 1, 1, 1},
    {"within a tile", 2, 3, 3, 5, 7, 4, 6},
    {"several tiles", 2, 2, 1, 70, 97, 20, 40},
    {"wide", 1, 2, 2, 40, 33, 70, 130},
    {"very wide", 1, 1, 1, 5, 9, 260, 3},
    {"causal", 1, 2, 2, 97, 97, 8, 8, true},
    {"causal with an offset", 1, 1, 1, 40, 100, 8, 8, true, 60},
    {"causal with a negative offset", 1, 1, 1, 70, 40, 8, 8, true, -20},
    {"window", 1, 1, 1, 150, 150, 8, 8, false, 0, 20},
    {"causal window", 1, 2, 1, 150, 150, 8, 8, true, 3, 40},
    {"window beside all keys", 1, 1, 1, 3, 3, 2, 2, false, 10, 2},
    {"padding", 3, 2, 2, 40, 50, 8, 8, false, 0, 0, 0, true},
    {"dropout", 2, 4, 2, 37, 70, 8, 8, true, 33, 0, 0.3},
    {"bias", 2, 2, 2, 40, 50, 8, 8, false, 0, 0, 0, false, {2, 2, 40, 50}},
    {"bias of heads and keys", 2, 4, 2, 40, 50, 8, 8, false, 0, 0, 0, false, {1, 4, 1, 50}},
    {"bias of batch and queries", 2, 2, 2, 40, 50, 8, 8, true, 0, 0, 0, false, {2, 1, 40, 1}},
    {"one bias", 2, 2, 2, 40, 50, 8, 8, false, 0, 0, 0, false, {1, 1, 1, 1}},
    {"everything", 2, 4, 2, 70, 70, 12, 20, true, 2, 30, 0.2, true, {1, 4, 70, 70}},
    {"no keys", 1, 2, 2, 3, 0, 4, 4},
    {"no queries", 1, 2, 2, 0, 3, 4, 4},
};

/// A [batch, heads, time, width] view of memory that stands as [batch, time, heads, width].
Array time_first(const Shape& shape, uint64_t seed, DType dtype) {
  Array array = noise({shape[0], shape[2], shape[1], shape[3]}, seed, dtype);
  std::swap(array.view.shape[1], array.view.shape[2]);
  std::swap(array.view.strides[1], array.view.strides[2]);
  return array;
}

View expanded(View view, const Shape& shape) {
  for (int axis = 0; axis < 4; ++axis) {
    if (view.shape[axis] == 1) view.strides[axis] = 0;
  }
  view.shape = shape;
  return view;
}

/// What a call reads and writes, by place.
enum Name : size_t { q, k, v, out, lse, bias, keep, dout, dq, dk, dv, dbias };

std::vector<Array> arrays_of(const Case& c) {
  const Shape queries{c.batch, c.heads, c.queries, c.width}, keys{c.batch, c.key_heads, c.keys, c.width},
      values{c.batch, c.key_heads, c.keys, c.value_width}, result{c.batch, c.heads, c.queries, c.value_width};
  const Shape biases = c.bias.rank() ? c.bias : Shape{1, 1, 1, 1};
  const Array kept = make({c.batch, c.keys}, boolean);
  // The last of the batch keeps no key at all.
  for (int64_t i = 0; i < c.batch * c.keys; ++i) kept.set(i, i % 3 != 1 && i / c.keys + 1 < c.batch);
  return {time_first(queries, 1, f32),
          time_first(keys, 2, f32),
          noise(values, 3),
          time_first(result, 4, f32),
          make({c.batch, c.heads, c.queries}),
          noise(biases, 5),
          kept,
          noise(result, 6),
          time_first(queries, 7, f32),
          noise(keys, 8),
          time_first(values, 9, f32),
          make(biases)};
}

template <class Memory>
void run(Backend& device, const Case& c, const std::vector<Memory>& memory) {
  std::vector<View> x(memory.begin(), memory.end());
  const View wide = expanded(x[bias], {c.batch, c.heads, c.queries, c.keys});
  const bool biased = c.bias.rank() > 0;
  const AttentionCall call{x[q],
                           x[k],
                           x[v],
                           x[out],
                           x[lse],
                           biased ? &wide : nullptr,
                           c.padding ? &x[keep] : nullptr,
                           0.6,
                           c.causal,
                           c.offset,
                           c.window,
                           c.dropout,
                           77,
                           1234567};
  device.attention(call);
  device.attention_backward({call, x[dout], x[dq], x[dk], x[dv], biased ? &x[dbias] : nullptr});
}

TEST_F(AttentionTest, AgreesWithTheCpu) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<Array> arrays = arrays_of(c);
    const std::vector<Mirror> mirrors(arrays.begin(), arrays.end());
    run(cpu(), c, arrays);
    run(gpu(), c, mirrors);
    for (const Name name : {out, lse, dq, dk, dv, dbias}) {
      SCOPED_TRACE(static_cast<int>(name));
      expect_same(mirrors[name], arrays[name], name == dbias ? 1e-4 : 3e-5);
    }
  }
}

TEST_F(AttentionTest, TilesOfEverySizeAgreeWithTheCpu) {
  const Case& everything = cases[17];
  const std::vector<Array> arrays = arrays_of(everything);
  run(cpu(), everything, arrays);
  for (const uint32_t shared_bytes : {16384u, 32768u}) {  // short slabs, large tiles
    SCOPED_TRACE(shared_bytes);
    vulkan::PhysicalDevice physical = vulkan::instance().devices().front();
    if (physical.shared_bytes < shared_bytes) continue;
    physical.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    physical.shared_bytes = shared_bytes;
    vulkan::VulkanBackend device(0, physical);
    std::vector<Mirror> mirrors;
    for (const Array& array : arrays) mirrors.emplace_back(array, device);
    run(device, everything, mirrors);
    for (const Name name : {out, lse, dq, dk, dv, dbias}) expect_same(mirrors[name], arrays[name], 1e-4);
  }
}

// A device that is taken for so slow that attention goes in pieces.
TEST_F(AttentionTest, PiecesGiveTheBitsOfTheWhole) {
  vulkan::EngineOptions options;
  options.speed = 1e5;
  const vulkan::PhysicalDevice& physical = vulkan::instance().devices().front();
  vulkan::VulkanBackend fast(0, physical), slow(0, physical, options);
  const Case& everything = cases[17];
  const std::vector<Array> arrays = arrays_of(everything);
  std::vector<Mirror> whole, pieces;
  for (const Array& array : arrays) {
    whole.emplace_back(array, fast);
    pieces.emplace_back(array, slow);
  }
  run(fast, everything, whole);
  const uint64_t before = slow.counters().dispatches;
  run(slow, everything, pieces);
  EXPECT_GT(slow.counters().dispatches - before, 10u);
  for (const Name name : {out, lse, dq, dk, dv, dbias})
    EXPECT_EQ(pieces[name].pull().values(), whole[name].pull().values());
}

TEST_F(AttentionTest, TwoRunsGiveTheSameBits) {
  const Case& everything = cases[17];
  const std::vector<Array> arrays = arrays_of(everything);
  const std::vector<Mirror> once(arrays.begin(), arrays.end()), again(arrays.begin(), arrays.end());
  run(gpu(), everything, once);
  run(gpu(), everything, again);
  for (const Name name : {out, lse, dq, dk, dv, dbias})
    EXPECT_EQ(once[name].pull().values(), again[name].pull().values());
}

TEST_F(AttentionTest, ScoresFarFromZeroAndNumbersThatAreNone) {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Mirror queries(from({1, 1, 2, 1}, {100, 1})), keys(from({1, 1, 3, 1}, {10, -10, 10})),
      values(from({1, 1, 3, 1}, {1, 2, 5})), result(make({1, 1, 2, 1})), sums(make({1, 1, 2})),
      biases(from({1, 1, 2, 3}, {0, 0, -inf, -inf, -inf, -inf}));
  gpu().attention({queries, keys, values, result, sums, &biases, nullptr, 1.0});
  expect_close(result.pull().values(), {1, 0}, 1e-6);
  expect_close(sums.pull().values(), {1000, -inf}, 1e-6);
  const Mirror none(from({1, 1, 2, 1}, {nan, 1}));
  gpu().attention({none, keys, values, result, sums, nullptr, nullptr, 1.0});
  EXPECT_TRUE(std::isnan(result.pull().get(0)));
  EXPECT_FALSE(std::isnan(result.pull().get(1)));
}

TEST_F(AttentionTest, RefusesF64) {
  const Mirror x(make({1, 1, 2, 2}, f64)), sums(make({1, 1, 2}, f64));
  EXPECT_THROW(gpu().attention({x, x, x, x, sums, nullptr, nullptr, 1.0}), DeviceError);
}

}  // namespace
}  // namespace fovea::test
