#include "fovea/backends/vulkan/kernels.h"
#include "fovea/backends/vulkan/views.h"
#include "fovea/vulkan_shaders.h"

namespace fovea::vulkan {
namespace {

struct Pair {
  uint32_t height, width;
};
// The parameters of both kernels.
struct Push {
  uint64_t from, to, index;
  Pair size, positions, kernel, stride, padding;
  uint32_t planes, unused;
};

Push describe(const View& from, const View& to, const View* index, const Shape& image, const Shape& windows,
              const int64_t (&kernel)[2], const WindowSteps& steps) {
  const auto pair = [](int64_t height, int64_t width) {
    return Pair{static_cast<uint32_t>(height), static_cast<uint32_t>(width)};
  };
  return {address_of(from),
          address_of(to),
          address_of(index),
          pair(image[2], image[3]),
          pair(windows[2], windows[3]),
          pair(kernel[0], kernel[1]),
          pair(steps.stride[0], steps.stride[1]),
          pair(steps.padding[0], steps.padding[1]),
          static_cast<uint32_t>(image[0] * image[1]),
          0};
}

// A thread an element of `over`.
void run(Engine& engine, const char* name, const ShaderCode& code, const View& over, const int64_t (&kernel)[2],
         std::initializer_list<const View*> reads, std::initializer_list<const View*> writes, const Push& push) {
  if (over.numel() >= int64_t{1} << 31) raise_here<DeviceError>("{}: {} has more than 2^31 elements", name, over.shape);
  const auto count = static_cast<uint64_t>(over.numel());
  engine.launch({.code = code,
                 .constants = {engine.map_threads(), type_constant(name, over)},
                 .name = name,
                 .shape = over.shape,
                 .reads = reads,
                 .writes = writes,
                 .groups = engine.groups_for(over.numel()),
                 .work = static_cast<double>(kernel[0] * kernel[1]) * static_cast<double>(count)},
                push);
}

}  // namespace

void pool(Engine& engine, const PoolCall& call) {
  run(engine, "pool", shaders::pool, call.out, call.kernel, {&call.x}, {&call.out, call.index},
      describe(call.x, call.out, call.index, call.x.shape, call.out.shape, call.kernel, call.steps));
}

void pool_backward(Engine& engine, const PoolBackwardCall& call) {
  run(engine, "pool_backward", shaders::pool_backward, call.dx, call.kernel, {&call.dout, call.index}, {&call.dx},
      describe(call.dout, call.dx, call.index, call.dx.shape, call.dout.shape, call.kernel, call.steps));
}

}  // namespace fovea::vulkan
